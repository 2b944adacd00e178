// Package conformance runs what the certification of OpenID providers checks,
// module by module, against the real program, and writes docs/conformance.md.
// The requirements are those of the OpenID Foundation's certification plans,
// in our own words and code; the suite itself is not part of it.
package conformance
