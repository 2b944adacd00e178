package config

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/v2"
)

// Source is where a configuration comes from. Later members win.
type Source struct {
	File  string            // a YAML file; empty for none
	Env   []string          // as os.Environ returns it
	Flags map[string]string // the flags that were given, by setting
}

// SettingError is one thing that is wrong with the configuration, with its remedy.
type SettingError struct {
	Key    string
	Origin string // where the value came from; empty for a default
	Text   string
}

func (f *SettingError) Error() string {
	if f.Origin == "" || f.Origin == f.Key {
		return f.Key + ": " + f.Text
	}
	return f.Key + " (" + f.Origin + "): " + f.Text
}

// layer is one source's values by setting, with what to call each in a message.
type layer struct {
	values map[string]any
	origin map[string]string
}

// Load reads the configuration from its sources and checks it. It returns all
// that is wrong, joined.
func Load(src Source) (*Config, error) {
	layers, err := read(src)
	if err != nil {
		return nil, err
	}
	merged, origin := koanf.New("."), map[string]string{}
	for _, l := range layers {
		if err := merged.Load(confmap.Provider(l.values, ""), nil); err != nil {
			return nil, fmt.Errorf("merge the configuration: %w", err)
		}
		maps.Copy(origin, l.origin)
	}
	c := Default()
	var faults []error
	for _, k := range Keys() {
		if _, given := origin[k.Name]; !given {
			continue
		}
		if err := c.set(k, merged.Get(k.Name)); err != nil {
			faults = append(faults, &SettingError{k.Name, origin[k.Name], err.Error()})
		}
	}
	if faults = append(faults, c.readSecrets(origin)...); errors.Join(faults...) != nil {
		return nil, errors.Join(faults...)
	}
	c.origin = origin
	c.derive(origin)
	return c, c.validate(origin)
}

func read(src Source) ([]layer, error) {
	var layers []layer
	var faults []error
	if src.File != "" {
		l, err := fileLayer(src.File)
		layers, faults = append(layers, l), append(faults, err)
	}
	env, err := envLayer(src.Env)
	layers, faults = append(layers, env), append(faults, err)
	flags := layer{map[string]any{}, map[string]string{}}
	for name, value := range src.Flags {
		flags.values[name] = value
		flags.origin[name] = "--" + strings.ReplaceAll(name, "_", "-")
	}
	return append(layers, flags), errors.Join(faults...)
}

func fileLayer(path string) (layer, error) {
	l := layer{map[string]any{}, map[string]string{}}
	content, err := os.ReadFile(path) //nolint:gosec // the operator names the file
	if err != nil {
		return l, fmt.Errorf("read the configuration file: %w; check the path and that this user may read it", err)
	}
	values, err := parseFile(content)
	if err != nil {
		return l, fmt.Errorf("configuration file %s: %w", path, err)
	}
	var faults []error
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if !known(name) {
			faults = append(faults, fmt.Errorf("%s: unknown setting %q; %s", path, name, suggest(name, names())))
			continue
		}
		if values[name] == nil { // set to nothing is not set
			continue
		}
		l.values[name], l.origin[name] = values[name], path
	}
	return l, errors.Join(faults...)
}

// parseFile reads YAML. The parser is old C in spirit: what it panics on is
// not worth more than an error.
func parseFile(content []byte) (values map[string]any, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = errors.New("is not readable as YAML")
		}
	}()
	values, err = yaml.Parser().Unmarshal(content)
	if err != nil {
		return nil, fmt.Errorf("is not readable as YAML, one `setting: value` a line: %w", err)
	}
	return values, nil
}

func envLayer(env []string) (layer, error) {
	l := layer{map[string]any{}, map[string]string{}}
	var faults []error
	for _, entry := range env {
		name, value, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, EnvPrefix) || slices.Contains(commandLineEnv, name) || linkedService(name, value) {
			continue
		}
		key := strings.ToLower(strings.TrimPrefix(name, EnvPrefix))
		if !known(key) || name != strings.ToUpper(name) {
			hint := suggest(key, names())
			faults = append(faults, fmt.Errorf("environment: unknown setting %s; %s", name, envHint(hint)))
			continue
		}
		if value == "" { // set to nothing is not set
			continue
		}
		l.values[key], l.origin[key] = value, name
	}
	return l, errors.Join(faults...)
}

// ConfigEnv names the configuration file where --config does not.
const ConfigEnv = EnvPrefix + "CONFIG"

// ServerEnv names the server that the client commands work at where --server
// does not, and APIKeyEnv holds what they prove themselves by there; with
// _FILE behind it, it names the file that does.
const (
	ServerEnv = EnvPrefix + "SERVER"
	APIKeyEnv = EnvPrefix + "API_KEY"
)

// commandLineEnv are the variables that are no settings of a server.
var commandLineEnv = []string{ConfigEnv, ServerEnv, APIKeyEnv, APIKeyEnv + "_FILE"}

var linked = regexp.MustCompile(`^(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$`)

// linkedService recognises the variables that Kubernetes sets in every
// container beside a service of the name "countersign".
func linkedService(name, value string) bool {
	rest := strings.TrimPrefix(name, EnvPrefix)
	return linked.MatchString(rest) && (rest != "PORT" || strings.Contains(value, "://"))
}

// readSecrets reads the files that hold secrets. Both a secret and its file is
// an error, since nobody can know which was meant.
func (c *Config) readSecrets(origin map[string]string) []error {
	var faults []error
	for _, twin := range []struct {
		name  string
		value *Secret
		file  string
	}{
		{"database", &c.Database, c.DatabaseFile},
		{"secret", &c.Secret, c.SecretFile},
		{"approval_webhook_secret", &c.ApprovalWebhookSecret, c.ApprovalWebhookSecretFile},
		{"smtp_password", &c.SMTPPassword, c.SMTPPasswordFile},
	} {
		if twin.file == "" {
			continue
		}
		if *twin.value != "" {
			faults = append(faults, &SettingError{twin.name, origin[twin.name], fmt.Sprintf(
				"is set, and so is %s_file (%s); remove one of the two", twin.name, origin[twin.name+"_file"])})
			continue
		}
		content, err := os.ReadFile(twin.file)
		if err != nil {
			faults = append(faults, &SettingError{twin.name + "_file", origin[twin.name+"_file"], fmt.Sprintf(
				"cannot be read: %v; check the path and that this user may read it", err)})
			continue
		}
		*twin.value = Secret(strings.TrimSpace(string(content)))
		if *twin.value == "" {
			faults = append(faults, &SettingError{twin.name + "_file", origin[twin.name+"_file"], "is empty; write the value into it"})
		}
	}
	return faults
}

func known(name string) bool { return slices.Contains(names(), name) }

func names() []string {
	keys := Keys()
	list := make([]string, len(keys))
	for i, k := range keys {
		list[i] = k.Name
	}
	return list
}

func envHint(hint string) string {
	return regexp.MustCompile(`did you mean (\w+)\?`).ReplaceAllStringFunc(hint, func(s string) string {
		return "did you mean " + EnvPrefix + strings.ToUpper(strings.TrimPrefix(s, "did you mean "))
	})
}
