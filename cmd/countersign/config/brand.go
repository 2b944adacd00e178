package config

import (
	"net/url"
	"strings"

	"countersign/cmd/countersign/colour"
)

// maxLinks is how many links the foot of a page has room for.
const maxLinks = 6

// FooterLinks are the links at the foot of pages, words and URL of each. It is
// for a valid configuration.
func (c *Config) FooterLinks() [][2]string {
	var list [][2]string
	for entry := range strings.SplitSeq(c.Links, ",") {
		if words, address, found := strings.Cut(entry, "="); found {
			list = append(list, [2]string{strings.TrimSpace(words), strings.TrimSpace(address)})
		}
	}
	return list
}

func (c *Config) validateBrand(fault faulter) {
	if c.Accent != "" {
		accent, err := colour.Parse(c.Accent)
		if err == nil {
			_, err = colour.Light(accent)
		}
		if err != nil {
			fault("accent", "%v", err)
		}
	}
	if c.Links != "" {
		c.validateLinks(fault)
	}
}

func (c *Config) validateLinks(fault faulter) {
	links := c.FooterLinks()
	if len(links) != strings.Count(c.Links, ",")+1 || len(links) > maxLinks {
		fault("links", "takes up to %d links with commas between, each like Imprint=https://example.org/imprint", maxLinks)
		return
	}
	for _, link := range links {
		if link[0] == "" || !leads(link[1]) {
			fault("links", "%q is no link; write it like Imprint=https://example.org/imprint", link[0]+"="+link[1])
		}
	}
}

// leads reports whether a page may link to the address.
func leads(address string) bool {
	u, err := url.Parse(address)
	return err == nil && u.Host != "" && u.User == nil && (u.Scheme == "https" || u.Scheme == "http" && IsLoopback(u.Hostname()))
}
