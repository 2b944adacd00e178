package admin

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"countersign/clientstore"
	"countersign/storage"
	"countersign/storage/locale"
)

// narrowing are the fields of a form that say what an approval is narrowed to.
type narrowing struct {
	Scopes, Grants, Responses []allowed
	Until                     string // a date as browsers write it, empty for none
	Testers                   string // usernames, one a line
}

// allowed is something that a client asks for, and gets or not.
type allowed struct {
	Value  string
	Name   locale.Message
	Chosen bool
}

// Any reports whether the form would narrow anything.
func (n narrowing) Any() bool {
	withheld := func(a allowed) bool { return !a.Chosen }
	return n.Until != "" || n.Testers != "" || slices.ContainsFunc(slices.Concat(n.Scopes, n.Grants, n.Responses), withheld)
}

// dateLayout is how browsers write a date.
const dateLayout = "2006-01-02"

// choicesOf are the entries of a list, those chosen that are among the chosen
// ones; all of them where none are.
func choicesOf(list, chosen []string, name func(string) locale.Message) []allowed {
	choices := make([]allowed, len(list))
	for i, v := range list {
		choices[i] = allowed{v, name(v), len(chosen) == 0 || slices.Contains(chosen, v)}
	}
	return choices
}

func grantName(g string) locale.Message {
	if name := grantNames[g]; name != "" {
		return name
	}
	return locale.Foreign(g)
}

func itself(s string) locale.Message { return locale.Foreign(s) }

// narrowed are the fields as the client's conditions fill them.
func (h *handler) narrowed(ctx context.Context, c *clientstore.Client) (narrowing, error) {
	on, m := c.Conditions, &c.Metadata
	n := narrowing{
		Scopes: choicesOf(strings.Fields(m.Scope), strings.Fields(on.Scope), itself),
		Grants: choicesOf(m.GrantTypes, on.GrantTypes, grantName), Responses: choicesOf(m.ResponseTypes, on.ResponseTypes, itself),
	}
	if on.Until != nil { // one that is past is refused, so that nobody lifts it unawares
		n.Until = on.Until.UTC().Format(dateLayout)
	}
	testers, err := h.testers(ctx, c)
	n.Testers = strings.Join(testers, "\n")
	return n, err
}

// testers are the usernames of the accounts that may use the client, none for
// everybody. One that was removed is named by its identifier.
func (h *handler) testers(ctx context.Context, c *clientstore.Client) ([]string, error) {
	names, err := h.cfg.Accounts.Usernames(ctx, c.Conditions.TestAccounts)
	if err != nil {
		return nil, err
	}
	var list []string
	for _, id := range c.Conditions.TestAccounts {
		if name, ok := names[id]; ok {
			id = printable(name)
		}
		list = append(list, id)
	}
	return list, nil
}

// conditions reads the fields, nil where the form has none of them.
func (h *handler) conditions(r *http.Request, form url.Values, c *clientstore.Client) (*clientstore.Conditions, error) {
	if !form.Has("conditions") {
		return nil, nil //nolint:nilnil // documented
	}
	on := &clientstore.Conditions{Scope: strings.Join(form["allowed_scope"], " "), GrantTypes: form["allowed_grant"], ResponseTypes: form["allowed_response"]}
	m := &c.Metadata
	for _, list := range []struct {
		member     string
		registered int
		chosen     int
	}{
		{"scope", len(strings.Fields(m.Scope)), len(strings.Fields(on.Scope))},
		{"grant_types", len(m.GrantTypes), len(on.GrantTypes)},
		{"response_types", len(m.ResponseTypes), len(on.ResponseTypes)},
	} {
		codeless := list.member == "response_types" && !slices.Contains(on.GrantTypes, clientstore.GrantAuthorizationCode) && onlyCode(m.ResponseTypes)
		if list.registered > 0 && list.chosen == 0 && !codeless {
			return nil, &clientstore.MetadataError{Field: list.member, Reason: "has nothing left; choose at least one, or reject the client"}
		}
	}
	until, err := h.lastDay(form.Get("until"))
	if err != nil {
		return nil, err
	}
	on.Until = until
	if was := c.Conditions.Until; was != nil && was.UTC().Format(dateLayout) == form.Get("until") {
		on.Until = was // to the minute, as somebody set it otherwise than here
	}
	on.TestAccounts, err = h.named(r.Context(), c, lines(clean(form.Get("testers"))))
	return on, err
}

// onlyCode reports whether all of the response types go with the grant of codes.
func onlyCode(responses []string) bool {
	return !slices.ContainsFunc(responses, func(r string) bool { return !slices.Contains(strings.Fields(r), "code") })
}

// lastDay is the end of the day that was chosen: who reads "until 3 March" goes
// on working on that day.
func (*handler) lastDay(date string) (*time.Time, error) {
	if date == "" {
		return nil, nil //nolint:nilnil // no day is an answer
	}
	day, err := time.Parse(dateLayout, date)
	if err != nil {
		return nil, &clientstore.MetadataError{Field: "until", Reason: "is not a date; write it as 2026-03-31"}
	}
	end := day.Add(24*time.Hour - time.Second)
	return &end, nil
}

// named returns the identifiers of the accounts with these usernames. One that
// stands among the client's by its identifier, because the account was removed,
// stays.
func (h *handler) named(ctx context.Context, c *clientstore.Client, usernames []string) ([]string, error) {
	var ids []string
	for _, name := range usernames {
		if name = strings.TrimSpace(name); name == "" {
			continue
		}
		if slices.Contains(c.Conditions.TestAccounts, name) {
			ids = append(ids, name)
			continue
		}
		a, err := h.cfg.Accounts.Find(ctx, name)
		if errors.Is(err, storage.ErrNotFound) {
			return nil, &clientstore.MetadataError{Field: "test_users", Reason: locale.Sprintf("no account has the username %s; Settings › Accounts shows them", printable(name))}
		}
		if err != nil {
			return nil, err
		}
		ids = append(ids, a.ID)
	}
	return ids, nil
}

// resent are the fields as they were sent, to be corrected.
func (n narrowing) resent(form url.Values) narrowing {
	choose := func(list []allowed, field string) []allowed {
		for i := range list {
			list[i].Chosen = slices.Contains(form[field], list[i].Value)
		}
		return list
	}
	if !form.Has("conditions") {
		return n
	}
	return narrowing{
		choose(n.Scopes, "allowed_scope"), choose(n.Grants, "allowed_grant"), choose(n.Responses, "allowed_response"),
		form.Get("until"), clean(form.Get("testers")),
	}
}

// limits is what an approval is narrowed to, as the page of a client says it.
type limits struct {
	Withheld []locale.Message // of what the client asks for
	Until    *time.Time
	Testers  []string
}

// Any reports whether anything is narrowed.
func (l limits) Any() bool { return len(l.Withheld) > 0 || l.Until != nil || len(l.Testers) > 0 }

func (h *handler) limits(ctx context.Context, c *clientstore.Client) (limits, error) {
	on := c.Conditions
	l := limits{Until: on.Until}
	for _, list := range []struct {
		asked, given []string
		name         func(string) locale.Message
	}{
		{strings.Fields(c.Metadata.Scope), strings.Fields(on.Scope), itself},
		{c.Metadata.GrantTypes, on.GrantTypes, grantName},
		{c.Metadata.ResponseTypes, on.ResponseTypes, itself},
	} {
		for _, one := range choicesOf(list.asked, list.given, list.name) {
			if !one.Chosen {
				l.Withheld = append(l.Withheld, one.Name)
			}
		}
	}
	var err error
	l.Testers, err = h.testers(ctx, c)
	return l, err
}
