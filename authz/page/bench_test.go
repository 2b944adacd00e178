package page

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

func BenchmarkSignIn(b *testing.B) {
	pages, err := New(Config{Name: "Countersign", Contact: "ops@example.org", Asset: func(name string) string { return "/assets/" + name }})
	if err != nil {
		b.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodGet, "/login?interaction=i", http.NoBody)
	r.Header.Set("Accept-Language", "de-AT,de;q=0.9,en;q=0.8")
	for b.Loop() {
		if err := pages.Render(httptest.NewRecorder(), r, http.StatusOK, SignIn{Interaction: "i", Application: &Application{Name: "Modeller", Destination: "app.example.org", Kind: Web}}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDevice(b *testing.B) {
	pages, err := New(Config{Name: "Countersign", Contact: "ops@example.org", Asset: func(name string) string { return "/assets/" + name }})
	if err != nil {
		b.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodGet, "/device?user_code=BCDF-GHJK", http.NoBody)
	asked := Device{
		Application: Application{Name: "Television", Approved: true}, Person: Person{ID: "p", Username: "ada"}, UserCode: "BCDF-GHJK",
		From: "192.0.2.1", Groups: ScopeGroups([]string{"openid", "profile", "offline_access"}, func(string) bool { return false }, nil),
		Shown: "s", Access: time.Hour, Scan: NewScan("https://id.example/device?user_code=BCDF-GHJK"),
	}
	for b.Loop() {
		if err := pages.Render(httptest.NewRecorder(), r, http.StatusOK, asked); err != nil {
			b.Fatal(err)
		}
	}
}
