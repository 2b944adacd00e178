package page

import (
	"testing"
	"time"
)

func TestMoment(t *testing.T) {
	t.Parallel()
	for ago, want := range map[time.Duration]string{
		-time.Minute:      "just now", // clocks differ
		59 * time.Second:  "just now",
		time.Minute:       "1 minute ago",
		119 * time.Second: "1 minute ago",
		2 * time.Hour:     "2 hours ago",
		47 * time.Hour:    "47 hours ago",
		48 * time.Hour:    "23 November 2026",
	} {
		if got := at(ago).Words().String(); got != want {
			t.Errorf("%v: %q; want %q", ago, got, want)
		}
	}
	m := at(90 * time.Second)
	if m.ISO() != "2026-11-25T11:58:30Z" || m.Exact().String() != "25 November 2026, 11:58 UTC" {
		t.Errorf("%q, %q", m.ISO(), m.Exact())
	}
}

func TestBrowserName(t *testing.T) {
	t.Parallel()
	for agent, want := range map[string]string{
		"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0":                                                                  "Firefox on Linux",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36 Edg/126.0.0.0":           "Edge on Windows",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36":                   "Chrome on macOS",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1": "Safari on iPhone",
		"Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/25.0 Chrome/121.0.0.0 Mobile Safari/537.36":        "Samsung Internet on Android",
		"curl/8.5.0":    "curl",
		"Windows thing": "A browser on Windows",
		"":              "Unknown browser",
		"<script>":      "Unknown browser",
	} {
		if got := BrowserName(agent).String(); got != want {
			t.Errorf("BrowserName(%q) = %q; want %q", agent, got, want)
		}
	}
}
