package main

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"sync"
)

// watchdog kills what the lab started when the lab itself has died, however
// that happened.
type watchdog struct {
	mu    sync.Mutex
	cmd   *exec.Cmd
	stdin io.WriteCloser
}

// It reads "+ pid", "- pid" and at last "done".
const watchScript = `pids=" "
while read -r sign pid; do
	case $sign in
	+) pids="$pids$pid " ;;
	-) pids=$(printf %s "$pids" | sed "s/ $pid / /") ;;
	done) exit ;;
	esac
done
for pid in $pids; do kill -9 "$pid"; done`

func openWatchdog(ctx context.Context) (*watchdog, error) {
	cmd := exec.CommandContext(context.WithoutCancel(ctx), "/bin/sh", "-c", watchScript)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	return &watchdog{cmd: cmd, stdin: stdin}, cmd.Start()
}

func (w *watchdog) add(pid int)    { w.say("+", pid) }
func (w *watchdog) remove(pid int) { w.say("-", pid) }

func (w *watchdog) say(sign string, pid int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, _ = fmt.Fprintln(w.stdin, sign, pid) // at worst a process is left
}

func (w *watchdog) close() {
	w.say("done", 0)
	_ = w.cmd.Wait()
}
