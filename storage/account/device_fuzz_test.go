package account

import (
	"slices"
	"strings"
	"testing"
	"time"

	"countersign/storage/storagetest"
)

// A device cookie is ours or says nothing: with any of it changed it names no
// device, and what a browser makes up never does.
func FuzzDeviceCookie(f *testing.F) {
	db := storagetest.Open(f)
	db.Now = func() time.Time { return time.Unix(1e9, 0) } // the same in every process that fuzzes
	s := New(db, Config{Keys: storagetest.Keys(f)})
	cookie := s.deviceCookie(s.deviceCookie("", "ada", "d1"), "bob", "d2")
	f.Add(cookie, uint(0), byte(0))
	f.Add("", uint(3), byte(1))
	f.Add("YWRhfGQxfDE.AAAA~.~~", uint(70), byte(0x20))
	f.Fuzz(func(t *testing.T, made string, at uint, flip byte) {
		for _, st := range s.statements(made) {
			if !slices.Contains(strings.Split(cookie, deviceSeparator), st.encoded) {
				t.Fatalf("%q is taken for ours: %+v", made, st)
			}
		}
		changed := []byte(cookie)
		changed[at%uint(len(changed))] ^= flip
		for who, device := range map[string]string{"ada": "d1", "bob": "d2", "eve": ""} {
			if got := s.knownDevice(string(changed), who); got != device && got != "" {
				t.Fatalf("%q names the device %q of %s", changed, got, who)
			}
		}
		if renewed := s.deviceCookie(made, "ada", ""); len(renewed) > maxDevice || s.knownDevice(renewed, "ada") == "" {
			t.Fatalf("%q was renewed to %q", made, renewed)
		}
	})
}
