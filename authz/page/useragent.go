package page

import (
	"strings"

	"countersign/storage/locale"
)

// browsers and systems are told by what they say of themselves; the first that
// matches counts, because most claim to be others, too.
var (
	browsers = [][2]string{
		{"Edg/", "Edge"},
		{"EdgA/", "Edge"},
		{"OPR/", "Opera"},
		{"SamsungBrowser/", "Samsung Internet"},
		{"Vivaldi/", "Vivaldi"},
		{"FxiOS/", "Firefox"},
		{"Firefox/", "Firefox"},
		{"CriOS/", "Chrome"},
		{"Chromium/", "Chromium"},
		{"HeadlessChrome/", "Chrome"},
		{"Chrome/", "Chrome"},
		{"Safari/", "Safari"},
		{"curl/", "curl"},
	}
	systems = [][2]string{
		{"Windows", "Windows"},
		{"iPhone", "iPhone"},
		{"iPad", "iPad"},
		{"Android", "Android"},
		{"CrOS", "ChromeOS"},
		{"Mac OS X", "macOS"},
		{"Macintosh", "macOS"},
		{"Linux", "Linux"},
		{"FreeBSD", "FreeBSD"},
	}
)

// BrowserName says in short what a User-Agent header says. It is a help to
// remember by, and proves nothing.
func BrowserName(userAgent string) locale.Message {
	browser, system := first(browsers, userAgent), first(systems, userAgent)
	switch {
	case browser == "" && system == "":
		return "Unknown browser"
	case browser == "":
		return locale.Sprintf("A browser on %s", locale.Latin(system))
	case system == "":
		return locale.Foreign(browser)
	default:
		return locale.Sprintf("%s on %s", locale.Latin(browser), locale.Latin(system))
	}
}

func first(names [][2]string, in string) string {
	for _, n := range names {
		if strings.Contains(in, n[0]) {
			return n[1]
		}
	}
	return ""
}
