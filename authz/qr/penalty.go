package qr

// penalty says how hard the code is to read (section 7.8.3 of the standard).
func (c *Code) penalty() int {
	total, dark := 0, 0
	for i := range c.size {
		total += c.line(func(k int) bool { return c.dark[i][k] })
		total += c.line(func(k int) bool { return c.dark[k][i] })
		for j := range c.size {
			if c.dark[i][j] {
				dark++
			}
			if i > 0 && j > 0 && c.dark[i][j] == c.dark[i-1][j] && c.dark[i][j] == c.dark[i][j-1] && c.dark[i][j] == c.dark[i-1][j-1] {
				total += 3
			}
		}
	}
	off := 20*dark - 10*c.size*c.size
	return total + max(off, -off)/(c.size*c.size)*10
}

// The patterns of a line that look like a finder: 1:1:3:1:1 with four light
// modules on one side.
const (
	finderBefore = 0b00001011101
	finderAfter  = 0b10111010000
	finderLen    = 11
)

// line is the penalty of one row or column: for runs of five or more, and for
// what looks like a finder.
func (c *Code) line(dark func(int) bool) int {
	total, run, seen := 0, 0, 0
	for k := range c.size {
		if k > 0 && dark(k) == dark(k-1) {
			run++
		} else {
			run = 1
		}
		switch {
		case run == 5:
			total += 3
		case run > 5:
			total++
		}
		seen = seen << 1 & (1<<finderLen - 1)
		if dark(k) {
			seen |= 1
		}
		if k >= finderLen-1 && (seen == finderBefore || seen == finderAfter) {
			total += 40
		}
	}
	return total
}
