package outbound

import (
	"net"
	"net/netip"
	"testing"
)

// What is spoken to without being listed is public, by the judgement of
// another library, however the address is written: as an address of the other
// family, with a zone, or inside one of the prefixes that translate.
func FuzzAllows(f *testing.F) {
	for _, s := range []string{
		"93.184.216.34", "127.0.0.1", "10.1.2.3", "169.254.169.254", "100.64.0.1", "0.0.0.0", "255.255.255.255", "2606:2800:220:1::1", "::1",
		"::ffff:10.0.0.1", "::ffff:93.184.216.34", "64:ff9b::a00:1", "2002:a00:1::", "fe80::1%eth0", "fd00::1", "::10.0.0.1", "2001:0:5ef5::1", "fec0::1",
	} {
		f.Add(netip.MustParseAddr(s).AsSlice(), "")
	}
	f.Add([]byte{1, 1, 1, 1}, "eth0")
	f.Fuzz(func(t *testing.T, raw []byte, zone string) {
		addr, ok := netip.AddrFromSlice(raw)
		if !ok {
			return
		}
		addr = addr.WithZone(zone)
		public := Config{}.allows(addr)
		if at := netip.AddrPortFrom(addr, 443); public != (Config{}.control("tcp", at.String(), nil) == nil) && netipReads(at) {
			t.Fatalf("%s is judged otherwise as text", at)
		}
		if public != (Config{}.allows(netip.AddrFrom16(addr.As16()))) {
			t.Fatalf("%s is judged otherwise as an address of the other family", addr)
		}
		ip := net.IP(addr.Unmap().AsSlice())
		if public && (!ip.IsGlobalUnicast() || ip.IsPrivate() || ip.IsLoopback() || ip.IsLinkLocalUnicast() || ip.IsUnspecified() || ip.IsMulticast()) {
			t.Fatalf("%s is taken for public", addr)
		}
		if local := (Config{Local: true}); !local.allows(addr) && (public || ip.IsLoopback() || ip.IsPrivate()) {
			t.Fatalf("%s is not spoken to by a server on this machine", addr)
		}
	})
}

// netipReads reports whether the address survives being written: a zone may be
// any text.
func netipReads(at netip.AddrPort) bool {
	again, err := netip.ParseAddrPort(at.String())
	return err == nil && again == at
}
