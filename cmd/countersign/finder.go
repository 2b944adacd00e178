package main

import (
	"net/url"
	"path/filepath"
	"regexp"
	"strings"

	"countersign/admin"
	"countersign/cmd/countersign/config"
)

// commandLine is what a command needs to work on what this server works on.
func (s *server) commandLine() admin.CommandLine {
	line := admin.CommandLine{Finders: finders(s.cfg, s.program.settingsFile())}
	if s.cfg.Issuer != config.Default().Issuer {
		line.Issuer = forShell(s.cfg.Issuer)
	}
	return line
}

// finders are the settings by which a command finds what this server works on,
// as a shell takes them, from whatever folder. There are none where everything is
// at its default. Neither a secret nor the URL of a database that may hold a
// password is among the values: of those it names the variable.
func finders(cfg *config.Config, file string) []admin.Finder {
	var list []admin.Finder
	if file != "" {
		list = append(list, admin.Finder{Name: "--config", Value: forShell(absolute(file))})
	}
	for _, s := range cfg.Settings() {
		if s.Origin == config.Defaulted || s.Origin == file && !relative(s) {
			continue
		}
		if f := finder(cfg, s); f.Name != "" {
			list = append(list, f)
		}
	}
	return list
}

// finder is the setting for a command, without a name where it finds nothing.
func finder(cfg *config.Config, s config.Setting) admin.Finder {
	switch s.Name {
	case "data":
		if cfg.Folder() != config.Default().Folder() {
			return admin.Finder{Name: "--data", Value: forShell(cfg.Folder())}
		}
	case "database_file", "secret_file":
		return admin.Finder{Name: "--" + strings.ReplaceAll(s.Name, "_", "-"), Value: forShell(absolute(s.Value))}
	case "database":
		if path := cfg.SQLitePath(); path != "" {
			u := url.URL{Scheme: "sqlite", Path: filepath.ToSlash(absolute(path))}
			return admin.Finder{Name: "--database", Value: forShell(u.String())}
		}
		return admin.Finder{Name: config.EnvPrefix + "DATABASE"}
	case "secret":
		return admin.Finder{Name: config.EnvPrefix + "SECRET"}
	}
	return admin.Finder{}
}

// relative reports whether a setting means something else in another folder.
func relative(s config.Setting) bool {
	switch s.Name {
	case "data", "database_file", "secret_file":
		return !filepath.IsAbs(s.Value)
	default:
		return false
	}
}

func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path // the working directory is gone
}

// plainWord matches what no shell takes for anything else.
var plainWord = regexp.MustCompile(`^[\w./:@%+=,-]+$`)

// forShell quotes a word for a shell where that is needed.
func forShell(s string) string {
	if plainWord.MatchString(s) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
