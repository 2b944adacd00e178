package admin

import (
	"context"

	"countersign/clientstore"
	"countersign/storage/locale"
	"countersign/storage/logo"
)

// picture is what the page of a client says about its logo.
type picture struct {
	*logo.State
	Address string // its logo_uri
	Path    string // of the picture, under the issuer's; empty while there is none
	Fault   locale.Message
}

// noPicture says why there is no picture, or none that is new, and what helps.
var noPicture = map[logo.Reason]locale.Message{
	logo.Refused:     "The address is not public, or not https. An operator can list its network in outbound_allow.",
	logo.Unreachable: "Nobody answered at the address, or not within five seconds.",
	logo.Status:      "The address answered otherwise than with 200. Redirects are not followed: register the address that it leads to.",
	logo.TooLong:     "The file has more than 1 MiB.",
	logo.Format:      "The file is neither PNG, JPEG nor GIF. SVG is not shown, because it can hold scripts.",
	logo.TooLarge:    "The picture has more than 4096 pixels on a side, or more than four million.",
	logo.Broken:      "The file cannot be read as a picture.",
}

// picture returns what there is of the client's logo, nil where it registered
// none. That of a client which is not approved is not looked at.
func (h *handler) picture(ctx context.Context, c *clientstore.Client) (*picture, error) {
	if c.Metadata.LogoURI == "" {
		return nil, nil //nolint:nilnil // documented
	}
	p := &picture{Address: c.Metadata.LogoURI}
	var err error
	if p.State, err = h.cfg.Logos.State(ctx, c.ID); err != nil || p.State == nil {
		return p, err
	}
	p.Path = logo.Path(p.Digest)
	if p.FailedAt != nil {
		p.Fault = noPicture[p.Reason]
	}
	return p, nil
}
