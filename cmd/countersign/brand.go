package main

import (
	"os"

	"countersign/authz/page"
	"countersign/cmd/countersign/assets"
	"countersign/cmd/countersign/config"
	"countersign/storage/locale"
)

// openFiles reads the files that the configuration names beside the database's.
func (s *server) openFiles() (err error) {
	if s.cfg.TLS() {
		if s.certificate, err = loadCertificate(s.cfg, s.log); err != nil {
			return err
		}
	}
	s.brand, err = openBrand(s.cfg)
	return err
}

// openBrand makes what the operator gives the pages of their own.
func openBrand(cfg *config.Config) (*assets.Brand, error) {
	var logo []byte
	if cfg.LogoFile != "" {
		var err error
		if logo, err = os.ReadFile(cfg.LogoFile); err != nil {
			return nil, remedy(err, "logo_file cannot be read: "+err.Error(), "check the path and that this user may read it")
		}
	}
	brand, err := assets.NewBrand(cfg.Accent, logo)
	if err != nil {
		return nil, remedy(err, "logo_file cannot be used: "+err.Error(), "give a picture as SVG, PNG, WebP or JPEG of at most 24 KiB")
	}
	return brand, nil
}

// unnamed is whom people ask where nobody configured a contact.
const unnamed locale.Message = "your administrator"

// contact is whom people ask, in the language of the page where it is the
// default.
func contact(text string) locale.Message {
	if text == string(unnamed) {
		return unnamed
	}
	return locale.Foreign(text)
}

// look is how the pages of both doors look.
func (s *server) look() page.Look {
	return page.Look{Sheet: s.brand.Sheet(), Logo: s.brand.Logo(), Links: s.cfg.FooterLinks()}
}
