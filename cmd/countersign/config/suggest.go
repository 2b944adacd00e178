package config

import "strings"

// Nearest returns the candidate that differs least from what was typed.
func Nearest(typed string, candidates []string) string {
	typed = strings.ToLower(strings.ReplaceAll(typed, "-", "_"))
	best, least := "", -1
	for _, c := range candidates {
		if d := distance(typed, c); least < 0 || d < least {
			best, least = c, d
		}
	}
	return best
}

func suggest(typed string, candidates []string) string {
	return "did you mean " + Nearest(typed, candidates) + "?"
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
