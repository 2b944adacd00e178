package guess

import (
	_ "embed"
	"math"
	"slices"
	"strconv"
	"strings"
)

// common has the words that people use and the passwords that they have, each in
// a line of its own with its rank among its kind, sorted by their bytes. They are
// those of zxcvbn (words.LICENSE).
//
//go:embed words.txt
var common string

// rank returns where the word stands among its kind, 0 for one that is in no
// list.
func rank(word string) int {
	low, high := 0, len(common) // of the lines that may have it
	for low < high {
		begin := strings.LastIndexByte(common[low:(low+high)/2], '\n') + 1 + low
		end := begin + strings.IndexByte(common[begin:], '\n')
		found, at, _ := strings.Cut(common[begin:end], " ")
		switch strings.Compare(word, found) {
		case 0:
			n, _ := strconv.Atoi(at) // TestWordsAreSorted reads each
			return n
		case -1:
			high = begin
		default:
			low = end + 1
		}
	}
	return 0
}

// maxWord is how long the words of the lists are at most.
const maxWord = 24

// disguises are what stands for a letter; a digit may stand for one of two.
var disguises = [...]map[rune]rune{
	{'1': 'i', '|': 'i', '7': 't'},
	{'1': 'l', '|': 'l', '7': 't'},
	{'1': 'i', '|': 'i', '7': 'l'},
	{'1': 'l', '|': 'l', '7': 'l'},
}

// disguise is what stands for one letter alone.
var disguise = map[rune]rune{
	'4': 'a', '@': 'a', '8': 'b', '(': 'c', '{': 'c', '[': 'c', '<': 'c', '3': 'e', '6': 'g', '9': 'g',
	'0': 'o', '!': 'i', '$': 's', '5': 's', '+': 't', '%': 'x', '2': 'z',
}

// undisguised returns the ways to read the text, the plain one first.
func undisguised(text []rune) [][]rune {
	ways := [][]rune{text}
	for _, either := range disguises {
		way := slices.Clone(text)
		for i, r := range way {
			if letter, ok := disguise[r]; ok {
				way[i] = letter
			} else if letter, ok := either[r]; ok {
				way[i] = letter
			}
		}
		if !slices.ContainsFunc(ways, func(w []rune) bool { return slices.Equal(w, way) }) {
			ways = append(ways, way)
		}
	}
	return ways
}

// dictionary are the words in the password, disguised or not: who knows the words
// knows the disguises. The given ones are tried before those of the lists.
func (p typed) dictionary(given []string) []pattern {
	tried := ranks{}
	longest := maxWord
	for i, word := range given {
		tried[strings.ToLower(word)] = i + 1
		longest = max(longest, len([]rune(word)))
	}
	var found []pattern
	for _, text := range undisguised(p.lower) {
		for from := range text {
			for to := from + 1; to <= min(from+longest, len(text)); to++ {
				if at := tried.of(string(text[from:to])); at > 0 {
					found = append(found, pattern{from, to, math.Log2(float64(at)) + capitals(p.as[from:to])})
				}
			}
		}
	}
	return found
}

// ranks are words that are tried beside those of the lists, with when.
type ranks map[string]int

// of returns when the word is tried at the earliest, 0 for never.
func (r ranks) of(word string) int {
	given, listed := r[word], rank(word)
	if given == 0 || listed == 0 {
		return max(given, listed)
	}
	return min(given, listed)
}
