package signature

import (
	"crypto"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"testing"
)

// signed is a header that has all it needs.
const signed = `OAuth oauth_consumer_key="k", oauth_signature_method="HMAC-SHA1", oauth_timestamp="1", oauth_nonce="n", oauth_signature="AA=="`

func with(parameters string) []string { return []string{signed + ", " + parameters} }

func without(name string) []string {
	var kept []string
	for _, p := range strings.Split(strings.TrimPrefix(signed, "OAuth "), ", ") {
		if !strings.HasPrefix(p, name+"=") {
			kept = append(kept, p)
		}
	}
	return []string{"OAuth " + strings.Join(kept, ", ")}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	const u = "https://as.example/oauth1/request_token"
	plain := strings.ReplaceAll(signed, "HMAC-SHA1", "PLAINTEXT")
	for name, tt := range map[string]struct {
		message    Message
		code       Code
		parameters []string
	}{
		"nothing":                    {Message{URL: u}, ParameterAbsent, append(slices.Clone(required), timed...)},
		"O1-02 no key":               {Message{URL: u, Authorization: without("oauth_consumer_key")}, ParameterAbsent, []string{"oauth_consumer_key"}},
		"O1-02 no signature":         {Message{URL: u, Authorization: without("oauth_signature")}, ParameterAbsent, []string{"oauth_signature"}},
		"O1-02 no method":            {Message{URL: u, Authorization: without("oauth_signature_method")}, ParameterAbsent, []string{"oauth_signature_method"}},
		"O1-02 no nonce":             {Message{URL: u, Authorization: without("oauth_nonce")}, ParameterAbsent, []string{"oauth_nonce"}},
		"O1-02 no timestamp":         {Message{URL: u, Authorization: without("oauth_timestamp")}, ParameterAbsent, []string{"oauth_timestamp"}},
		"PLAINTEXT with half":        {Message{URL: u, Authorization: []string{strings.ReplaceAll(plain, `oauth_nonce="n", `, "")}}, ParameterAbsent, timed},
		"O1-02 unknown method":       {Message{URL: u, Authorization: []string{strings.ReplaceAll(signed, "HMAC-SHA1", "HMAC-MD5")}}, SignatureMethodRejected, []string{"oauth_signature_method"}},
		"O1-02 method in lower case": {Message{URL: u, Authorization: []string{strings.ReplaceAll(signed, "HMAC-SHA1", "hmac-sha1")}}, SignatureMethodRejected, []string{"oauth_signature_method"}},
		"O1-02 version 2.0":          {Message{URL: u, Authorization: with(`oauth_version="2.0"`)}, VersionRejected, nil},
		"O1-02 empty version":        {Message{URL: u, Authorization: with(`oauth_version=""`)}, VersionRejected, nil},
		"O1-02 twice in the header":  {Message{URL: u, Authorization: with(`oauth_nonce="n"`)}, ParameterRejected, []string{"oauth_nonce"}},
		"O1-02 twice, escaped":       {Message{URL: u, Authorization: with(`oauth%5Fnonce="n"`)}, ParameterRejected, []string{"oauth_nonce"}},
		"O1-07 header and query":     {Message{URL: u + "?oauth_token=t", Authorization: []string{signed}}, ParameterRejected, nil},
		"O1-07 header and form":      {Message{URL: u, Form: "oauth_token=t", Authorization: []string{signed}}, ParameterRejected, nil},
		"O1-07 form and query":       {Message{URL: u + "?oauth_token=t", Form: "oauth_consumer_key=k"}, ParameterRejected, nil},
		"two headers":                {Message{URL: u, Authorization: []string{signed, signed}}, ParameterRejected, nil},
		"no quotes":                  {Message{URL: u, Authorization: []string{"OAuth oauth_nonce=n"}}, ParameterRejected, nil},
		"open quote":                 {Message{URL: u, Authorization: []string{`OAuth oauth_nonce="n`}}, ParameterRejected, nil},
		"no comma":                   {Message{URL: u, Authorization: []string{`OAuth oauth_nonce="n" oauth_token="t"`}}, ParameterRejected, nil},
		"header half escape":         {Message{URL: u, Authorization: with(`oauth_token="%4"`)}, ParameterRejected, []string{"oauth_token"}},
		"header name half escape":    {Message{URL: u, Authorization: with(`oauth_%="x"`)}, ParameterRejected, nil},
		"query half escape":          {Message{URL: u + "?a=%zz", Authorization: []string{signed}}, ParameterRejected, []string{"a"}},
		"query name half escape":     {Message{URL: u + "?%z=a", Authorization: []string{signed}}, ParameterRejected, nil},
		"form half escape":           {Message{URL: u, Form: "a=%", Authorization: []string{signed}}, ParameterRejected, []string{"a"}},
		"NUL":                        {Message{URL: u, Authorization: with(`oauth_token="%00"`)}, ParameterRejected, []string{"oauth_token"}},
		"line break":                 {Message{URL: u, Authorization: with(`oauth_token="a%0D%0Ab"`)}, ParameterRejected, []string{"oauth_token"}},
		"no UTF-8":                   {Message{URL: u, Authorization: with(`oauth_token="%ff"`)}, ParameterRejected, []string{"oauth_token"}},
		"O1-19 long value":           {Message{URL: u, Authorization: with(`oauth_token="` + strings.Repeat("t", 5000) + `"`)}, ParameterRejected, []string{"oauth_token"}},
		"O1-19 1000 in the query":    {Message{URL: u + "?" + strings.Repeat("a=b&", 1000), Authorization: []string{signed}}, ParameterRejected, nil},
		"O1-19 1000 in the form":     {Message{URL: u, Form: strings.Repeat("a=b&", 1000), Authorization: []string{signed}}, ParameterRejected, nil},
		"O1-19 1000 in the header":   {Message{URL: u, Authorization: []string{signed + strings.Repeat(`, a="b"`, 1000)}}, ParameterRejected, nil},
		"O1-19 300 in two places":    {Message{URL: u + "?" + strings.Repeat("a=b&", 150), Form: strings.Repeat("a=b&", 150), Authorization: []string{signed}}, ParameterRejected, nil},
		"relative URL":               {Message{URL: "/oauth1/request_token", Authorization: []string{signed}}, ParameterRejected, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tt.message.Method = "POST"
			r, err := Parse(tt.message)
			p, ok := errors.AsType[*Error](err)
			if !ok || r != nil {
				t.Fatalf("Parse() = %+v, %v; want an Error", r, err)
			}
			if p.Code != tt.code || !slices.Equal(p.Parameters, tt.parameters) || p.Advice == "" {
				t.Errorf("%v; want %s of %v with advice", p, tt.code, tt.parameters)
			}
		})
	}
}

func TestParseTakes(t *testing.T) {
	t.Parallel()
	const u = "http://h/p"
	for name, tt := range map[string]struct {
		message Message
		base    string // the parameters of the base string, decoded once
	}{
		"O1-01 a plus is a plus in the header":       {Message{URL: u, Authorization: with(`x="a+b"`)}, "&x=a%2Bb"},
		"O1-01 a plus is a space in a query":         {Message{URL: u + "?x=a+b", Authorization: []string{signed}}, "&x=a%20b"},
		"O1-01 a plus is a space in a form":          {Message{URL: u, Form: "x=a+b", Authorization: []string{signed}}, "&x=a%20b"},
		"O1-01 a tilde stays":                        {Message{URL: u + "?x=%7E~", Authorization: []string{signed}}, "&x=~~"},
		"O1-01 an asterisk is escaped":               {Message{URL: u + "?x=*", Authorization: []string{signed}}, "&x=%2A"},
		"O1-01 UTF-8":                                {Message{URL: u + "?x=%e2%98%83", Authorization: []string{signed}}, "&x=%E2%98%83"},
		"O1-01 other bytes of the application":       {Message{URL: u + "?x=%ff", Authorization: []string{signed}}, "&x=%FF"},
		"O1-01 repeated names in order of value":     {Message{URL: u + "?x=2&x=10&x=1", Authorization: []string{signed}}, "&x=1&x=10&x=2"},
		"O1-01 order of encoded names":               {Message{URL: u + "?x%7B=1&xz=2&x=3", Authorization: []string{signed}}, "&x=3&x%7B=1&xz=2"},
		"O1-01 a name without a value":               {Message{URL: u + "?x", Authorization: []string{signed}}, "&x="},
		"empty pairs":                                {Message{URL: u + "?&x=1&&", Authorization: []string{signed}}, "&x=1"},
		"query and form":                             {Message{URL: u + "?y=2", Form: "x=1", Authorization: []string{signed}}, "&x=1&y=2"},
		"a question mark in the query":               {Message{URL: u + "?x=?", Authorization: []string{signed}}, "&x=%3F"},
		"spaces and commas in the header":            {Message{URL: u, Authorization: []string{"OAuth  ," + strings.TrimPrefix(signed, "OAuth ") + " ,\tx = \"1\" ,"}}, ""},
		"scheme in any case, beside another":         {Message{URL: u, Authorization: []string{"Bearer x", "oAUTH " + strings.TrimPrefix(signed, "OAuth ")}}, ""},
		"realm with a quoted pair":                   {Message{URL: u, Authorization: with(`realm="a\"b\\"`)}, ""},
		"realm with anything in it":                  {Message{URL: u, Authorization: with(`realm="50%, maybe"`)}, ""},
		"two-legged with an empty token":             {Message{URL: u, Authorization: with(`oauth_token=""`)}, "&oauth_token="},
		"short, sequential nonces of the Lyo client": {Message{URL: u, Authorization: []string{signed}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tt.message.Method = "get"
			r, err := Parse(tt.message)
			if err != nil {
				t.Fatal(err)
			}
			want := "GET&http%3A%2F%2Fh%2Fp&" + Escape("oauth_consumer_key=k&oauth_nonce=n&oauth_signature_method=HMAC-SHA1&oauth_timestamp=1"+tt.base)
			if tt.base != "" && r.BaseString != want {
				t.Errorf("base string\n%s; want\n%s", r.BaseString, want)
			}
			if !IsSigned(tt.message) {
				t.Error("IsSigned() = false")
			}
		})
	}
}

func TestIsSigned(t *testing.T) {
	t.Parallel()
	for name, m := range map[string]Message{
		"nothing":      {URL: "https://h/"},
		"bearer":       {URL: "https://h/", Authorization: []string{"Bearer oauth_signature_method="}},
		"another name": {URL: "https://h/oauth_signature_method=?x=y", Form: "x=oauth"},
	} {
		if IsSigned(m) {
			t.Errorf("%s: IsSigned() = true", name)
		}
	}
	if !IsSigned(Message{URL: "https://h/?oauth_signature_method=X"}) || !IsSigned(Message{URL: "https://h/", Form: "oauth_signature_method=X"}) {
		t.Error("a request that is signed in its query or form is not seen")
	}
}

func TestVerifyBody(t *testing.T) {
	t.Parallel()
	body := []byte("Hello World!") // OAuth Request Body Hash 1.0, section 4.1
	sum := func(h crypto.Hash) string {
		w := h.New()
		w.Write(body)
		return base64.StdEncoding.EncodeToString(w.Sum(nil))
	}
	for method, hash := range map[Method]string{
		HMACSHA1: "Lve95gjOVATpfV8EL5X4nxwjKHE=", Plaintext: sum(crypto.SHA1), RSASHA1: sum(crypto.SHA1),
		HMACSHA256: sum(crypto.SHA256), RSASHA256: sum(crypto.SHA256), HMACSHA512: sum(crypto.SHA512), RSASHA512: sum(crypto.SHA512),
	} {
		r := &Request{protocol: map[string]string{"oauth_signature_method": string(method), "oauth_body_hash": hash}}
		if err := r.VerifyBody(body); err != nil {
			t.Errorf("%s: %v", method, err)
		}
		if r.VerifyBody([]byte("Hello World?")) == nil || r.VerifyBody(nil) == nil {
			t.Errorf("%s: another body passed", method)
		}
	}
	if err := (&Request{}).VerifyBody(body); err != nil {
		t.Errorf("without a hash: %v", err)
	}
}

func TestOutline(t *testing.T) {
	t.Parallel()
	r, err := Parse(Message{
		Method: "POST", URL: "https://h/p?password=secret1&x=" + strings.Repeat("y", 5000), Form: "token=secret2", Authorization: with(`oauth_verifier="secret3"`),
	})
	if err != nil {
		t.Fatal(err)
	}
	got := r.Outline()
	for _, secret := range []string{"secret1", "secret2", "secret3", "yyy"} {
		if strings.Contains(got, secret) {
			t.Errorf("%s is in %s", secret, got)
		}
	}
	if len(got) > maxOutline || !strings.HasPrefix(got, "POST&https%3A%2F%2Fh%2Fp&oauth_consumer_key%3Dk%26") || !strings.Contains(got, "password%3D...") {
		t.Errorf("%d bytes: %s", len(got), got)
	}
}
