package qr

import "math/bits"

// line is a row or a column, a bit a module: no version here has more than 57.
type line uint64

func (l line) has(at int) bool { return l>>at&1 == 1 }

// put returns the line with a module as it says.
func (l line) put(at int, dark bool) line { //nolint:revive // a module is dark or it is not
	if dark {
		return l | 1<<at
	}
	return l &^ (1 << at)
}

// penalty says how hard the code is to read (section 7.8.3 of the standard).
func (c *Code) penalty() int {
	total, dark := 0, 0
	columns := c.columns()
	for i, row := range c.dark {
		total += row.penalty(c.size) + columns[i].penalty(c.size)
		if i > 0 {
			total += 3 * row.blocks(c.dark[i-1], c.size)
		}
		dark += bits.OnesCount64(uint64(row))
	}
	off := 20*dark - 10*c.size*c.size
	return total + max(off, -off)/(c.size*c.size)*10
}

func (c *Code) columns() []line {
	columns := make([]line, c.size)
	for i, row := range c.dark {
		for ; row != 0; row &= row - 1 {
			columns[bits.TrailingZeros64(uint64(row))] |= 1 << i
		}
	}
	return columns
}

// same has a bit for each module that is like the one after it.
func (l line) same(size int) line { return ^(l ^ l>>1) & (1<<(size-1) - 1) }

// blocks counts the squares of four like modules in two neighbouring rows.
func (l line) blocks(above line, size int) int {
	return bits.OnesCount64(uint64(l.same(size) & above.same(size) & ^(l ^ above)))
}

// penalty is that of one row or column: for runs of five or more, three and one
// for each module beyond five, and for what looks like a finder.
func (l line) penalty(size int) int {
	same := l.same(size)
	fives := same & (same >> 1) & (same >> 2) & (same >> 3) // the first of five that are alike
	longs := fives & ^(fives << 1)                          // the first of a run
	return bits.OnesCount64(uint64(fives)) + 2*bits.OnesCount64(uint64(longs)) + 40*l.finders(size)
}

// finders counts what looks like a finder, 1:1:3:1:1, with four light modules on
// one side of it.
func (l line) finders(size int) int {
	within := line(1)<<(size-10) - 1 // where eleven modules may begin
	finder := l & ^(l >> 1) & (l >> 2) & (l >> 3) & (l >> 4) & ^(l >> 5) & (l >> 6)
	light := ^l & ^(l >> 1) & ^(l >> 2) & ^(l >> 3)
	return bits.OnesCount64(uint64(within&finder&(light>>7))) + bits.OnesCount64(uint64(within&light&(finder>>4)))
}
