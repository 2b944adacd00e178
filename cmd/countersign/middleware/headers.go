package middleware

import "net/http"

// always are the headers that every answer carries. They are shared between
// all answers: whoever sets one puts another list in its place.
var always = map[string][]string{
	"X-Content-Type-Options":       {"nosniff"},
	"X-Frame-Options":              {"DENY"},
	"Referrer-Policy":              {"no-referrer"},
	"Cross-Origin-Opener-Policy":   {"same-origin"},
	"Cross-Origin-Resource-Policy": {"same-origin"},
	"Permissions-Policy":           {"accelerometer=(), camera=(), geolocation=(), gyroscope=(), magnetometer=(), microphone=(), payment=(), usb=()"},
	"Content-Security-Policy":      {"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"},
	"Cache-Control":                {"no-store"},
}

var transportSecurity = []string{"max-age=31536000; includeSubDomains"}

// securityHeaders sets what every answer carries. A door may replace
// Cache-Control where an answer is the same for everybody.
func securityHeaders(next http.Handler, cfg Config) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		for name, value := range always {
			h[name] = value
		}
		if cfg.HSTS {
			h["Strict-Transport-Security"] = transportSecurity
		}
		next.ServeHTTP(w, r)
	})
}
