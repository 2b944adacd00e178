package admin

import (
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"time"

	"countersign/clientstore"
	"countersign/storage/locale"
)

const (
	clientsPath   = root + "/oauth-clients"
	approvalsPath = root + "/approvals"
)

func clientPath(key string) string { return clientsPath + "/" + url.PathEscape(key) }

// pageSize is how many clients a page of the list has: it is sent as it is,
// and not to be long to load.
const pageSize = 25

// clientList is the page of OAuth clients.
type clientList struct {
	query listQuery
	Tabs  []tab
	Rows  []clientRow
	// Previous, Next and First lead to other pages, empty where there are none.
	Previous, Next, First string
	// ByName and ByTime lead to the list in another order.
	ByName, ByTime, ByUse sortLink
	// CSV and JSON are files of what is listed.
	CSV, JSON string
}

// tab is a type of client.
type tab struct {
	Name    locale.Message
	URL     string
	Current bool
}

// sortLink is the head of a column that the list can be sorted by.
type sortLink struct {
	Name   locale.Message
	URL    string
	Sorted string // aria-sort: ascending, descending or none
}

// clientRow is a client in the list.
type clientRow struct {
	Key, Name string
	Type      clientstore.Type
	Status    clientstore.Status
	Grants    locale.Message
	CreatedBy locale.Message
	CreatedAt time.Time
	UsedAt    *time.Time
	// Until is when its approval ends, nil for never; Tried tells that it is for
	// test users, and Narrowed that it gets less than it asks for.
	Until           *time.Time
	Tried, Narrowed bool
}

// Approved tells full colour from grey.
func (r clientRow) Approved() bool { return r.Status == clientstore.Approved }

// Search, Type, Status and Sort are what the form of the list holds.
func (p clientList) Search() string { return p.query.search }

// Type is the type of the tab, empty for all.
func (p clientList) Type() string { return p.query.clientType }

// Status is what the list is filtered by.
func (p clientList) Status() string { return p.query.status }

// Sort is the order, empty for the usual one.
func (p clientList) Sort() string { return p.query.sort }

// Filtered reports whether anything is left out beside other types.
func (p clientList) Filtered() bool { return p.query.search != "" || p.query.status != "" }

// Blank reports whether there is no client at all.
func (p clientList) Blank() bool {
	return len(p.Rows) == 0 && !p.Filtered() && p.query.after == "" && p.query.before == ""
}

// All leads to the list without search and filter.
func (p clientList) All() string {
	q := p.query
	q.search, q.status = "", ""
	return q.from("", "")
}

// listQuery is the part of the address that says what the list shows.
type listQuery struct{ path, clientType, status, search, sort, after, before string }

func (h *handler) readListQuery(r *http.Request) listQuery {
	v := r.URL.Query()
	return listQuery{
		path: h.base + clientsPath, clientType: v.Get("type"), status: v.Get("status"), search: printable(v.Get("q")),
		sort: v.Get("sort"), after: v.Get("after"), before: v.Get("before"),
	}
}

// filter is what the store selects by.
func (q listQuery) filter() (clientstore.Filter, error) {
	after, afterErr := base64.RawURLEncoding.DecodeString(q.after)
	before, beforeErr := base64.RawURLEncoding.DecodeString(q.before)
	return clientstore.Filter{
		Type: clientstore.Type(q.clientType), Status: clientstore.Status(q.status), Search: q.search,
		Sort: clientstore.Sort(q.sort), After: string(after), Before: string(before), Limit: pageSize + 1,
	}, errors.Join(afterErr, beforeErr)
}

// from is the address of the list from a place on, with all else as it is.
func (q listQuery) from(after, before string) string {
	v := url.Values{}
	for name, value := range map[string]string{
		"type": q.clientType, "status": q.status, "q": q.search, "sort": q.sort,
		"after": encodeCursor(after), "before": encodeCursor(before),
	} {
		if value != "" {
			v.Set(name, value)
		}
	}
	if len(v) == 0 {
		return q.path
	}
	return q.path + "?" + v.Encode()
}

func encodeCursor(cursor string) string { return base64.RawURLEncoding.EncodeToString([]byte(cursor)) }

// listClients serves GET /settings/oauth-clients.
func (h *handler) listClients(w http.ResponseWriter, r *http.Request, who *administrator) error {
	q := h.readListQuery(r)
	f, err := q.filter()
	if err != nil {
		return unknownList()
	}
	clients, err := h.cfg.Clients.List(r.Context(), f)
	if _, ours := errors.AsType[*clientstore.MetadataError](err); ours {
		return unknownList()
	}
	if err != nil {
		return err
	}
	p := q.page(clients)
	if p.Rows, err = h.clientRows(r, q.cut(clients)); err != nil {
		return err
	}
	return h.show(w, r, who, screen{Template: "clients.html", Section: clientsPath, Page: p})
}

// cut returns the clients of the page: one more was read, to see whether there
// is one.
func (q listQuery) cut(clients []clientstore.Client) []clientstore.Client {
	switch {
	case len(clients) <= pageSize:
		return clients
	case q.before != "":
		return clients[1:]
	default:
		return clients[:pageSize]
	}
}

// page is what stands around the rows.
func (q listQuery) page(clients []clientstore.Client) clientList {
	p := clientList{query: q, Tabs: q.tabs(), ByName: q.sortLink("Name", clientstore.ByName, clientstore.ByNameBack)}
	p.ByTime = q.sortLink("Created", clientstore.Newest, clientstore.Oldest)
	p.ByUse = q.sortLink("Last used", clientstore.LastUsed, clientstore.LeastUsed)
	p.CSV, p.JSON = q.exported("csv"), q.exported("json")
	shown, more := q.cut(clients), len(clients) > pageSize
	if len(shown) == 0 {
		if q.after != "" || q.before != "" {
			p.First = q.from("", "")
		}
		return p
	}
	sort := clientstore.Sort(q.sort)
	if more && q.before != "" || q.after != "" {
		p.Previous, p.First = q.from("", shown[0].CursorBy(sort)), q.from("", "")
	}
	if more && q.before == "" || q.before != "" {
		p.Next = q.from(shown[len(shown)-1].CursorBy(sort), "")
	}
	return p
}

func (q listQuery) tabs() []tab {
	var tabs []tab
	for _, one := range []struct {
		name  locale.Message
		value string
	}{
		{"All", ""}, {"OAuth 1.0a", string(clientstore.OAuth1)}, {"OAuth 2.0", string(clientstore.OAuth2)}, {"OpenID Connect", string(clientstore.OIDC)},
	} {
		to := q
		to.clientType = one.value
		tabs = append(tabs, tab{one.name, to.from("", ""), one.value == q.clientType})
	}
	return tabs
}

// sortLink leads to the list in the first of the orders, and in the second from
// there.
func (q listQuery) sortLink(name locale.Message, first, second clientstore.Sort) sortLink {
	current := clientstore.Sort(q.sort)
	if current == "" {
		current = clientstore.ByName
	}
	to, sorted := q, "none"
	to.sort = string(first)
	switch current {
	case clientstore.ByName, clientstore.Oldest, clientstore.LeastUsed:
		if current == first || current == second {
			sorted = "ascending"
		}
	default:
		if current == first || current == second {
			sorted = "descending"
		}
	}
	if current == first {
		to.sort = string(second)
	}
	return sortLink{name, to.from("", ""), sorted}
}

func (h *handler) clientRows(r *http.Request, clients []clientstore.Client) ([]clientRow, error) {
	by := make([]string, len(clients))
	for i := range clients {
		by[i] = clients[i].CreatedBy
	}
	names, err := h.people(r.Context(), by...)
	if err != nil {
		return nil, err
	}
	rows := make([]clientRow, len(clients))
	for i := range clients {
		c := &clients[i]
		rows[i] = clientRow{
			Key: c.ID, Name: c.Name, Type: c.Type, Status: c.Status, Grants: grantWords(c),
			CreatedBy: names.name(c.CreatedBy), CreatedAt: c.CreatedAt, UsedAt: c.UsedAt,
		}
		if on := c.Conditions; c.Status == clientstore.Approved {
			rows[i].Until, rows[i].Tried = on.Until, len(on.TestAccounts) > 0
			rows[i].Narrowed = on.Scope != "" || len(on.GrantTypes) > 0 || len(on.ResponseTypes) > 0
		}
	}
	return rows, nil
}

func unknownList() *problem {
	return &problem{
		Status: http.StatusBadRequest, Code: "E-LIST",
		Title:  "This list cannot be shown",
		What:   "Its address asks for a type, a status, an order or a place that there is not.",
		Remedy: "Open Settings › OAuth clients again, and choose there.",
	}
}
