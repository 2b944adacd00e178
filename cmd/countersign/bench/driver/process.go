package driver

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// tick is the unit of Linux's processor times, in milliseconds.
const tick = 10

// stat returns the parent of a process, and its processor time with that of
// the children that have ended.
func stat(pid int) (parent int, ticks int64, ok bool) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, 0, false
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) < 15 {
		return 0, 0, false
	}
	parent, _ = strconv.Atoi(fields[1])
	for _, field := range fields[11:15] {
		n, _ := strconv.ParseInt(field, 10, 64)
		ticks += n
	}
	return parent, ticks, true
}

// tree returns a process with all that descend from it.
func tree(pid int) []int {
	all, _ := filepath.Glob("/proc/[0-9]*") // the pattern is well formed
	children := map[int][]int{}
	for _, path := range all {
		p, _ := strconv.Atoi(filepath.Base(path))
		if parent, _, ok := stat(p); ok {
			children[parent] = append(children[parent], p)
		}
	}
	list := []int{pid}
	for i := 0; i < len(list); i++ {
		list = append(list, children[list[i]]...)
	}
	return list
}

// CPU returns the processor time of a process and its children so far, in
// milliseconds.
func CPU(pid int) float64 {
	var sum int64
	for _, p := range tree(pid) {
		_, ticks, _ := stat(p)
		sum += ticks
	}
	return float64(sum * tick)
}

// Memory returns the memory of a process and its children in MiB, with what
// they share counted once.
func Memory(pid int) float64 {
	var sum int64
	for _, p := range tree(pid) {
		sum += kilobytes(fmt.Sprintf("/proc/%d/smaps_rollup", p), "Pss:")
	}
	return float64(sum) / 1024
}

// Resident returns the resident memory of one process in MiB.
func Resident(pid int) float64 {
	return float64(kilobytes(fmt.Sprintf("/proc/%d/status", pid), "VmRSS:")) / 1024
}

func kilobytes(file, name string) int64 {
	text, _ := os.ReadFile(file) //nolint:gosec // of /proc; a process that has ended has none
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == name {
			n, _ := strconv.ParseInt(fields[1], 10, 64)
			return n
		}
	}
	return 0
}

// busy returns the processor time of the whole machine so far, in milliseconds.
func busy() float64 {
	text, _ := os.ReadFile("/proc/stat")
	first, _, _ := strings.Cut(string(text), "\n")
	var sum int64
	for i, field := range strings.Fields(first) {
		if i > 0 && i < 9 && !slices.Contains([]int{4, 5}, i) { // neither idle nor waiting for a disk
			n, _ := strconv.ParseInt(field, 10, 64)
			sum += n
		}
	}
	return float64(sum * tick)
}
