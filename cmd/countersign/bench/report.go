package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"countersign/cmd/countersign/bench/driver"
)

// report is what a run found, as a text for people and as lines of JSON.
type report struct {
	begun   time.Time
	commit  string
	results []driver.Result
	notes   []section
}

// section is a part of the report that is not a run of a scenario.
type section struct {
	Title string   `json:"title"`
	Head  []string `json:"head"`
	Rows  [][]any  `json:"rows"`
}

func (r *report) add(one driver.Result) { r.results = append(r.results, one) }

func (r *report) note(s section) { r.notes = append(r.notes, s) }

// keep writes the report to a folder, if one is named, and its text to out.
func (r *report) keep(folder string, out io.Writer) error {
	text := r.text()
	if _, err := io.WriteString(out, text); err != nil || folder == "" {
		return err
	}
	if err := os.MkdirAll(folder, 0o750); err != nil {
		return fmt.Errorf("make the folder of the report: %w", err)
	}
	var lines strings.Builder
	encoder := json.NewEncoder(&lines)
	for _, one := range r.results {
		if err := encoder.Encode(one); err != nil {
			return fmt.Errorf("write results: %w", err)
		}
	}
	for _, one := range r.notes {
		if err := encoder.Encode(one); err != nil {
			return fmt.Errorf("write results: %w", err)
		}
	}
	for name, content := range map[string]string{"bench.md": text, "bench.jsonl": lines.String()} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
			return fmt.Errorf("write results: %w", err)
		}
	}
	return nil
}

func (r *report) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Measured on %s in %.0f minutes, commit %s: %s/%s, %d processors (%s), %s.\n", r.begun.UTC().Format("2006-01-02 15:04 MST"),
		time.Since(r.begun).Minutes(), r.commit, runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), processor(), runtime.Version())
	for _, name := range r.scenarios() {
		r.scenario(&b, name)
	}
	for _, s := range r.notes {
		s.write(&b)
	}
	return b.String()
}

// processor is the name of the processor, as the system knows it.
func processor() string {
	text, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

// scenarios are those of which there are results, in order.
func (r *report) scenarios() (list []string) {
	for _, one := range r.results {
		if !slices.Contains(list, one.Scenario) {
			list = append(list, one.Scenario)
		}
	}
	return list
}

func (r *report) scenario(b *strings.Builder, name string) {
	known, _ := driver.Find(name) // it has results
	s := section{
		Title: name + ": " + known.Does,
		Head:  []string{"server", "at once", "CPU-ms server + database", "of the floor", "a second", "p50 ms", "p95 ms", "p99 ms", "peak MiB", "statements", "requests", "errors", "others' cores"},
	}
	for _, one := range r.results {
		if one.Scenario == name {
			s.Rows = append(s.Rows, []any{
				one.Server, one.Concurrency, costs(one), r.ofFloor(one), fmt.Sprintf("%.0f", one.PerSecond), fixed(one.P50), fixed(one.P95), fixed(one.P99),
				fmt.Sprintf("%.0f", one.Memory["server"]), few(one.Statements), few(one.Requests), one.Errors, fixed(one.Others),
			})
		}
	}
	s.write(b)
}

func costs(one driver.Result) string {
	if database, ok := one.CPU["database"]; ok {
		return fmt.Sprintf("%.3f + %.3f", one.CPU["server"], database)
	}
	return fmt.Sprintf("%.3f", one.CPU["server"])
}

// ofFloor is how many times the floor of the same database costs, the server
// alone, and in brackets with its database. Where one runs the same statements, or
// joins those that come together as the server does, it is that.
func (r *report) ofFloor(one driver.Result) string {
	server, database, _ := strings.Cut(one.Server, ", ")
	if server == "floor" {
		return "–"
	}
	for _, name := range []string{"floor, " + database + sameStatements, "floor, " + database + joined, "floor, " + database} {
		for _, floor := range r.results {
			if floor.Server == name && floor.Scenario == one.Scenario && floor.Concurrency == one.Concurrency {
				return times(one, floor)
			}
		}
	}
	return "–"
}

// times is how many times as much one costs as another, in the middle of the turns
// that they took: the server alone, and in brackets with its database.
func times(one, other driver.Result) string {
	return fixed(middle(one, other, serverOnly)) + " (" + fixed(middle(one, other, sum)) + ")"
}

func middle(one, other driver.Result, of func(map[string]float64) float64) float64 {
	var list []float64
	for i := range min(len(one.Slices), len(other.Slices)) {
		list = append(list, of(one.Slices[i])/of(other.Slices[i]))
	}
	if len(list) == 0 {
		return math.NaN()
	}
	slices.Sort(list)
	return list[len(list)/2]
}

func serverOnly(cpu map[string]float64) float64 { return cpu["server"] }

func sum(cpu map[string]float64) (total float64) {
	for _, ms := range cpu {
		total += ms
	}
	return total
}

func fixed(v float64) string { return fmt.Sprintf("%.2f", v) }

// few writes a small number, and a dash for none.
func few(v float64) string {
	if v == 0 {
		return "–"
	}
	return fmt.Sprintf("%.1f", v)
}

// write writes the section as a table.
func (s section) write(b *strings.Builder) {
	fmt.Fprintf(b, "\n### %s\n\n| %s |\n|%s\n", s.Title, strings.Join(s.Head, " | "), strings.Repeat(" --- |", len(s.Head)))
	for _, row := range s.Rows {
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = fmt.Sprint(cell)
		}
		fmt.Fprintf(b, "| %s |\n", strings.Join(cells, " | "))
	}
}
