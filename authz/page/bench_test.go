package page

import (
	"net/http"
	"net/http/httptest"
	"testing"
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
