package config

import "strings"

// Nearest returns the candidate that differs least from what was typed, or that
// begins with it. Where that is more than a third of it, nobody meant it:
// Nearest returns nothing.
func Nearest(typed string, candidates []string) string {
	typed = plain(typed)
	best, least := "", (len(typed)+1)/3+1
	for _, c := range candidates {
		d := distance(typed, plain(c))
		if len(typed) > 2 && strings.HasPrefix(plain(c), typed) {
			d = min(d, 1)
		}
		if d < least {
			best, least = c, d
		}
	}
	return best
}

func plain(name string) string { return strings.ToLower(strings.ReplaceAll(name, "-", "_")) }

func suggest(typed string, candidates []string) string {
	if near := Nearest(typed, candidates); near != "" {
		return "did you mean " + near + "?"
	}
	return "`countersign serve --help` lists the settings"
}

// distance is the Levenshtein distance in bytes: settings are ASCII, and what
// is not can be as far as it likes. What was typed is cut, so that a hostile
// file costs no time.
func distance(a, b string) int {
	a = a[:min(len(a), 64)]
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
