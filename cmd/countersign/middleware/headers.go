package middleware

import "net/http"

// always are the headers that every answer carries. They are shared between
// all answers: whoever sets one puts another list in its place.
var always = []struct {
	name  string
	value []string
}{
	{"X-Content-Type-Options", []string{"nosniff"}},
	{"X-Frame-Options", []string{"DENY"}},
	{"Referrer-Policy", []string{"no-referrer"}},
	{"Cross-Origin-Opener-Policy", []string{"same-origin"}},
	{"Cross-Origin-Resource-Policy", []string{"same-origin"}},
	{"Permissions-Policy", []string{"accelerometer=(), camera=(), geolocation=(), gyroscope=(), magnetometer=(), microphone=(), payment=(), usb=()"}},
	{"Content-Security-Policy", []string{"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"}},
	{"Cache-Control", []string{"no-store"}},
}

var transportSecurity = []string{"max-age=31536000; includeSubDomains"}

// securityHeaders sets what every answer carries. A door may replace
// Cache-Control where an answer is the same for everybody.
func securityHeaders(next http.Handler, cfg Config) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		for _, one := range always {
			h[one.name] = one.value
		}
		if cfg.HSTS {
			h["Strict-Transport-Security"] = transportSecurity
		}
		next.ServeHTTP(w, r)
	})
}
