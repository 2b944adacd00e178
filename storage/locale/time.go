package locale

import (
	"strconv"
	"time"
)

// How the parts of a date are put together: day, month and year. English has no
// punctuation there; a message needs some, to be one.
const (
	dayPattern   Message = "%[1]s %[2]s, %[3]s"
	shortPattern Message = "%[1]s %[2]s. %[3]s" // of a short month
	timePattern  Message = "%[1]s, %[2]s"       // day and time
)

var months = [...]Message{
	"January", "February", "March", "April", "May", "June",
	"July", "August", "September", "October", "November", "December",
}

var shortMonths = [...]Message{
	"short January", "short February", "short March", "short April", "short May", "short June",
	"short July", "short August", "short September", "short October", "short November", "short December",
}

// Day is the date, in UTC.
func (l *Language) Day(t time.Time) string { return l.date(dayPattern, months[t.UTC().Month()-1], t) }

// ShortDay is the date with the month in short, in UTC.
func (l *Language) ShortDay(t time.Time) string {
	return l.date(shortPattern, shortMonths[t.UTC().Month()-1], t)
}

func (l *Language) date(pattern, month Message, t time.Time) string {
	t = t.UTC()
	return l.Say(Sprintf(pattern, strconv.Itoa(t.Day()), month, strconv.Itoa(t.Year())))
}

// ShortTime is the short date and the time of day, in UTC.
func (l *Language) ShortTime(t time.Time) string {
	return l.Say(Sprintf(timePattern, Foreign(l.ShortDay(t)), t.UTC().Format("15:04")))
}

// Time is the date and the time of day, with their zone.
func (l *Language) Time(t time.Time) string {
	return l.Say(Sprintf(timePattern, Foreign(l.Day(t)), t.UTC().Format("15:04 UTC")))
}
