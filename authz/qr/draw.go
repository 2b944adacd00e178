package qr

import "sync"

// draw places the codewords and picks the mask that is easiest to read.
func draw(number int, v version, codewords []byte) *Code {
	size := 17 + 4*number
	c := &Code{size: size, dark: make([]line, size), fixed: make([]line, size)}
	c.patterns(v)
	c.format(0) // keeps its place free
	if number >= 7 {
		c.version(number)
	}
	c.place(codewords)
	best, least := 0, -1
	for mask := range masks {
		c.mask(mask)
		c.format(mask)
		if p := c.penalty(); least < 0 || p < least {
			best, least = mask, p
		}
		c.mask(mask) // takes it off again
	}
	c.mask(best)
	c.format(best)
	return c
}

// set fixes a module.
func (c *Code) set(row, column int, dark bool) {
	if row >= 0 && column >= 0 && row < c.size && column < c.size {
		c.dark[row] = c.dark[row].put(column, dark)
		c.fixed[row] = c.fixed[row].put(column, true)
	}
}

// patterns draws what tells a reader where the code is: timing, the three
// finders with their light borders, and the alignment patterns.
func (c *Code) patterns(v version) {
	for i := range c.size {
		c.set(6, i, i%2 == 0)
		c.set(i, 6, i%2 == 0)
	}
	last := c.size - 7
	for _, at := range [][2]int{{0, 0}, {0, last}, {last, 0}} {
		c.rings(at[0]+3, at[1]+3, 4, 0b01011)
	}
	for i, row := range v.align {
		for j, column := range v.align {
			end := len(v.align) - 1
			if i == 0 && j == 0 || i == 0 && j == end || i == end && j == 0 {
				continue // a finder is there
			}
			c.rings(row, column, 2, 0b101)
		}
	}
}

// rings draws squares around a centre, out to a radius; bit r of dark says
// whether the square at distance r is dark.
func (c *Code) rings(row, column, radius, dark int) {
	for dy := -radius; dy <= radius; dy++ {
		for dx := -radius; dx <= radius; dx++ {
			r := max(dy, -dy, dx, -dx)
			c.set(row+dy, column+dx, dark>>r&1 == 1)
		}
	}
}

// format writes the level and the mask, twice (section 7.9 of the standard).
func (c *Code) format(mask int) {
	const levelL = 0b01
	bits := (levelL<<3 | mask) << 10
	bits = (bits | remainder(bits, 0x537, 10)) ^ 0x5412
	bit := func(i int) bool { return bits>>i&1 == 1 }
	for i := range 15 {
		switch { // beside the finder at the top left
		case i < 6:
			c.set(i, 8, bit(i))
		case i < 8:
			c.set(i+1, 8, bit(i))
		case i == 8:
			c.set(8, 7, bit(i))
		default:
			c.set(8, 14-i, bit(i))
		}
		if i < 8 { // below the one at the top right, and beside the other
			c.set(8, c.size-1-i, bit(i))
		} else {
			c.set(c.size-15+i, 8, bit(i))
		}
	}
	c.set(c.size-8, 8, true) // always dark
}

// version writes the version, twice (section 7.10 of the standard).
func (c *Code) version(number int) {
	bits := number << 12
	bits |= remainder(bits, 0x1f25, 12)
	for i := range 18 {
		dark := bits>>i&1 == 1
		c.set(i/3, c.size-11+i%3, dark)
		c.set(c.size-11+i%3, i/3, dark)
	}
}

// remainder divides polynomials over the field of two elements.
func remainder(bits, by, degree int) int {
	for i := 30; i >= degree; i-- {
		if bits>>i&1 == 1 {
			bits ^= by << (i - degree)
		}
	}
	return bits
}

// place writes the codewords in columns of two, from the right, upwards and
// downwards in turn, around what is fixed.
func (c *Code) place(codewords []byte) {
	n, up := 0, true
	for right := c.size - 1; right > 0; right -= 2 {
		if right == 6 { // the timing pattern
			right--
		}
		for i := range 2 * c.size {
			row, column := i/2, right-i%2
			if up {
				row = c.size - 1 - row
			}
			if !c.fixed[row].has(column) && n < 8*len(codewords) {
				c.dark[row] = c.dark[row].put(column, codewords[n/8]>>(7-n%8)&1 == 1)
				n++
			}
		}
		up = !up
	}
}

// masks say which modules are inverted (table 10 of the standard).
var masks = [...]func(row, column int) bool{
	func(i, j int) bool { return (i+j)%2 == 0 },
	func(i, _ int) bool { return i%2 == 0 },
	func(_, j int) bool { return j%3 == 0 },
	func(i, j int) bool { return (i+j)%3 == 0 },
	func(i, j int) bool { return (i/2+j/3)%2 == 0 },
	func(i, j int) bool { return i*j%2+i*j%3 == 0 },
	func(i, j int) bool { return (i*j%2+i*j%3)%2 == 0 },
	func(i, j int) bool { return ((i+j)%2+i*j%3)%2 == 0 },
}

// maskRows are the masks as lines. Each repeats itself after twelve rows: the
// remainders are of two and three, of halves and thirds.
var maskRows = sync.OnceValue(func() (rows [len(masks)][12]line) {
	for number, inverted := range masks {
		for i := range rows[number] {
			for j := range 8 * 8 {
				rows[number][i] = rows[number][i].put(j, inverted(i, j))
			}
		}
	}
	return rows
})

func (c *Code) mask(number int) {
	rows := maskRows()
	for i := range c.dark {
		c.dark[i] ^= rows[number][i%12] & ^c.fixed[i] & (1<<c.size - 1)
	}
}
