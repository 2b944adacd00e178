package api_test

import (
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"
)

// The list goes by when clients were last used, page after page, and says when
// that was.
func TestListByUse(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		var made []string
		for i, name := range []string{"Never", "Long ago", "Lately"} {
			id := w.create(`{"client_name":"` + name + `","redirect_uris":["https://rp.example/cb"]}`).json["client_id"].(string)
			made = append(made, id)
			if i > 0 {
				w.must(w.db.With(w.Context()).Exec("UPDATE clients SET used_at = ? WHERE id = ?", w.clock.Now().Add(time.Duration(i-3)*time.Hour), id).Error)
			}
		}
		walk := func(sort string) (ids []string) {
			for cursor := ""; len(ids) < 4; {
				page := w.want(w.do(call{method: "GET", path: "/v1/clients?limit=1&sort=" + sort + "&cursor=" + url.QueryEscape(cursor)}), http.StatusOK)
				c := page.json["clients"].([]any)[0].(map[string]any)
				if ids = append(ids, c["client_id"].(string)); (c["used_at"] == nil) != (c["client_name"] == "Never") {
					w.Errorf("listed %v", c)
				}
				if cursor, _ = page.json["next_cursor"].(string); cursor == "" {
					break
				}
			}
			return ids
		}
		if got := walk("used"); !slices.Equal(got, made) {
			w.Errorf("by use: %v; want %v", got, made)
		}
		if got := walk("-used"); got[0] != made[2] || len(got) != 3 {
			w.Errorf("the last used first: %v", got)
		}
		// When a client was used is nobody's to set, and no reason to refuse what
		// was read before.
		seen := w.do(call{method: "GET", path: "/v1/clients/" + made[2]})
		w.must(w.db.With(w.Context()).Exec("UPDATE clients SET used_at = ? WHERE id = ?", w.clock.Now(), made[2]).Error)
		w.want(w.do(call{method: "PUT", path: "/v1/clients/" + made[2], body: seen.text}.with("If-Match", seen.header.Get("ETag"))), http.StatusOK)
		w.problem(w.do(call{method: "POST", path: "/v1/clients", body: `{"client_name":"A","redirect_uris":["https://rp.example/cb"],"used_at":null}`}), 400, "unknown-member")
	})
}
