package config

import (
	"fmt"
	"log/slog"
	"net/netip"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// EnvPrefix starts the name of every environment variable that is ours.
const EnvPrefix = "COUNTERSIGN_"

// Key describes one setting.
type Key struct {
	Name    string // as in the file: access_token_lifetime
	Env     string // COUNTERSIGN_ACCESS_TOKEN_LIFETIME
	Flag    string // access-token-lifetime; empty for what must not be an argument
	Usage   string
	Default string
	field   int
}

// Keys lists all settings in the order of [Config].
func Keys() []Key {
	defaults := reflect.ValueOf(Default()).Elem()
	keys := make([]Key, 0, defaults.NumField())
	for i := range defaults.NumField() {
		f := defaults.Type().Field(i)
		name := f.Tag.Get("config")
		if name == "" { // it is no setting
			continue
		}
		k := Key{
			Name: name, Env: EnvPrefix + strings.ToUpper(name), Flag: strings.ReplaceAll(name, "_", "-"),
			Usage: f.Tag.Get("usage"), Default: show(defaults.Field(i).Interface()), field: i,
		}
		if _, secret := defaults.Field(i).Interface().(Secret); secret && name != "database" { // arguments are visible to every user of the machine
			k.Flag = ""
		}
		keys = append(keys, k)
	}
	return keys
}

func show(value any) string {
	switch v := value.(type) {
	case time.Duration:
		return showDuration(v)
	case slog.Level:
		return strings.ToLower(v.String())
	case []netip.Prefix, []string:
		return ""
	case int:
		return strconv.Itoa(v)
	default:
		return fmt.Sprint(v)
	}
}

// showDuration leaves out the zero units that time.Duration writes.
func showDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// set writes a value from any layer to the field. The error says what is
// expected instead and never quotes a secret.
func (c *Config) set(k Key, value any) error {
	field := reflect.ValueOf(c).Elem().Field(k.field)
	if list, ok := value.([]any); ok {
		if field.Kind() != reflect.Slice {
			return fmt.Errorf("takes one value, not a list")
		}
		parts := make([]string, len(list))
		for i, p := range list {
			parts[i] = fmt.Sprint(p)
		}
		value = strings.Join(parts, ",")
	}
	if _, ok := value.(map[string]any); ok {
		return fmt.Errorf("takes one value, not a mapping; settings are not nested")
	}
	text, isText := value.(string)
	if _, secret := field.Interface().(Secret); secret && !isText {
		return fmt.Errorf("must be text; put it in quotation marks")
	}
	if !isText {
		text = fmt.Sprint(value)
	}
	parsed, err := parse(field.Interface(), strings.TrimSpace(text))
	if err != nil {
		return err
	}
	field.Set(parsed)
	return nil
}

func parse(like any, text string) (reflect.Value, error) {
	switch like.(type) {
	case time.Duration:
		d, err := parseDuration(text)
		return reflect.ValueOf(d), err
	case bool:
		yes, err := parseBool(text)
		return reflect.ValueOf(yes), err
	case int:
		n, err := parseInt(text)
		return reflect.ValueOf(n), err
	case slog.Level:
		level, err := parseLevel(text)
		return reflect.ValueOf(level), err
	case []netip.Prefix:
		list, err := parsePrefixes(text)
		return reflect.ValueOf(list), err
	case []string:
		return reflect.ValueOf(entries(text)), nil
	case Secret:
		return reflect.ValueOf(Secret(text)), nil
	default:
		return reflect.ValueOf(text), nil
	}
}

func parseDuration(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf("%q is not a duration; write it like 30s, 10m or 12h", text)
	}
	return d, nil
}

func parseBool(text string) (bool, error) {
	if text != "true" && text != "false" {
		return false, fmt.Errorf("%q is neither true nor false", text)
	}
	return text == "true", nil
}

func parseInt(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0, fmt.Errorf("%q is not a whole number", text)
	}
	return n, nil
}

func parseLevel(text string) (level slog.Level, err error) {
	if err := level.UnmarshalText([]byte(text)); err != nil {
		return level, fmt.Errorf("%q is not a level; use debug, info, warn or error", text)
	}
	return level, nil
}

// entries are those of a list, with commas or white space between.
func entries(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' || r == '\n' })
}

func parsePrefixes(text string) ([]netip.Prefix, error) {
	var list []netip.Prefix
	for _, part := range entries(text) {
		p, err := netip.ParsePrefix(part)
		if err != nil {
			addr, addrErr := netip.ParseAddr(part)
			if addrErr != nil || addr.Zone() != "" {
				return nil, fmt.Errorf("%q is neither an address nor a network; write it like 10.0.0.7 or 10.0.0.0/8", part)
			}
			p = netip.PrefixFrom(addr, addr.BitLen())
		}
		if p.Addr().Is4In6() {
			return nil, fmt.Errorf("%q is an IPv4 address in IPv6 form; write it as IPv4", part)
		}
		list = append(list, p.Masked())
	}
	return list, nil
}
