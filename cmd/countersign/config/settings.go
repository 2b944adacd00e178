package config

import (
	"net/netip"
	"reflect"
	"strings"
)

// Defaulted is where a value comes from that nobody gave.
const Defaulted = "default"

// Setting is a setting as it is in force.
type Setting struct {
	Name string `json:"setting"`
	// Value is as it would be written, "[redacted]" for a secret.
	Value string `json:"value"`
	// Origin is the file, the variable or the flag that gave the value, or
	// [Defaulted].
	Origin string `json:"from"`
}

// Settings are all settings, in the order of [Config].
func (c *Config) Settings() []Setting {
	var list []Setting
	fields := reflect.ValueOf(c).Elem()
	for _, k := range Keys() {
		s := Setting{Name: k.Name, Value: written(fields.Field(k.field).Interface()), Origin: c.origin[k.Name]}
		if s.Origin == "" {
			s.Origin = Defaulted
		}
		list = append(list, s)
	}
	return list
}

// written is a value as it is written in a file.
func written(value any) string {
	switch v := value.(type) {
	case []netip.Prefix:
		texts := make([]string, len(v))
		for i, p := range v {
			texts[i] = p.String()
		}
		return strings.Join(texts, ", ")
	case []string:
		return strings.Join(v, ", ")
	case Secret:
		return v.String()
	case string:
		return v
	default:
		return show(v)
	}
}
