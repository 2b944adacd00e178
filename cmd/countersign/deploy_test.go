package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"countersign/cmd/countersign/config"
)

// object is a part of a YAML document.
type object map[string]any

// at follows the keys; a number is a place in a list.
func (o object) at(keys ...string) any { //nolint:ireturn // a document holds anything
	var v any = map[string]any(o)
	for _, key := range keys {
		switch parent := v.(type) {
		case map[string]any:
			v = parent[key]
		case []any:
			i, err := strconv.Atoi(key)
			if err != nil || i >= len(parent) {
				return nil
			}
			v = parent[i]
		default:
			return nil
		}
	}
	return v
}

// manifests reads the manifests for Kubernetes, by kind.
func manifests(t *testing.T) map[string]object {
	t.Helper()
	found := map[string]object{}
	folder := filepath.Join(operation, "kubernetes")
	var kustomization struct{ Resources []string }
	if err := yaml.Unmarshal(read(t, "kubernetes/kustomization.yaml"), &kustomization); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != "kustomization.yaml" && !slices.Contains(kustomization.Resources, e.Name()) {
			t.Errorf("%s is no part of the kustomization", e.Name())
		}
	}
	for _, name := range kustomization.Resources {
		d := yaml.NewDecoder(bytes.NewReader(read(t, "kubernetes/"+name)))
		for {
			var doc map[string]any
			err := d.Decode(&doc)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			found[doc["kind"].(string)] = doc
		}
	}
	return found
}

// TestKubernetesManifests checks what the manifests promise: replicas that are
// replaced one by one, the Pod Security Standard restricted, the paths and
// ports that the server has, and names that fit together.
func TestKubernetesManifests(t *testing.T) {
	t.Parallel()
	all := manifests(t)
	deployment := all["Deployment"]
	const pod = "spec/template/spec"
	path := func(p string) any { return deployment.at(strings.Split(p, "/")...) }
	for p, want := range map[string]any{
		"spec/replicas": 3, "spec/strategy/rollingUpdate/maxUnavailable": 0,
		pod + "/automountServiceAccountToken":             false,
		pod + "/securityContext/runAsNonRoot":             true,
		pod + "/securityContext/seccompProfile/type":      "RuntimeDefault",
		pod + "/containers/0/args/0":                      "serve",
		pod + "/initContainers/0/args/0":                  "migrate",
		pod + "/initContainers/0/args/1":                  "up",
		pod + "/containers/0/livenessProbe/httpGet/path":  "/livez",
		pod + "/containers/0/readinessProbe/httpGet/path": "/readyz",
		pod + "/containers/0/readinessProbe/httpGet/port": "private",
		pod + "/volumes/0/secret/secretName":              "countersign",
		pod + "/serviceAccountName":                       all["ServiceAccount"].at("metadata", "name"),
	} {
		if got := path(p); got != want {
			t.Errorf("deployment: %s is %v; want %v", p, got, want)
		}
	}
	for _, container := range []string{"/containers/0", "/initContainers/0"} {
		sec := pod + container + "/securityContext/"
		if path(sec+"allowPrivilegeEscalation") != false || path(sec+"readOnlyRootFilesystem") != true || path(sec+"capabilities/drop/0") != "ALL" {
			t.Errorf("%s is not restricted", container)
		}
		if path(pod+container+"/resources/limits/memory") == nil {
			t.Errorf("%s has no limit of memory", container)
		}
	}
	if grace, ok := path(pod + "/terminationGracePeriodSeconds").(int); !ok || grace < 5+2+25+1 {
		t.Errorf("the server gets %d s to stop", grace)
	}
	component := all["Deployment"].at("spec", "template", "metadata", "labels", "app.kubernetes.io/component")
	for kind, keys := range map[string][]string{
		"Deployment": {"spec", "selector", "matchLabels"}, "Service": {"spec", "selector"},
		"PodDisruptionBudget": {"spec", "selector", "matchLabels"}, "NetworkPolicy": {"spec", "podSelector", "matchLabels"},
	} {
		if got := all[kind].at(append(keys, "app.kubernetes.io/component")...); got != component || got == nil {
			t.Errorf("%s selects %v; the pods are %v", kind, got, component)
		}
	}
	if budget := all["PodDisruptionBudget"].at("spec", "minAvailable"); budget != 2 {
		t.Errorf("%v replicas stay", budget)
	}
	settings := all["ConfigMap"].at("data").(map[string]any)
	for _, name := range []string{"COUNTERSIGN_DATABASE_FILE", "COUNTERSIGN_SECRET_FILE"} {
		settings[name] = ""
	}
	checkSettings(t, settings)
	for _, port := range []string{"listen", "private_listen"} {
		address, _ := settings["COUNTERSIGN_"+strings.ToUpper(port)].(string)
		if !strings.Contains(string(read(t, "kubernetes/deployment.yaml")), "containerPort: "+address[strings.LastIndex(address, ":")+1:]+"}") {
			t.Errorf("no port of the container is that of %s, %s", port, address)
		}
	}
}

// TestKubernetesLetsOut checks that the pods reach what the server speaks to: the
// names' servers, PostgreSQL, applications and the webhook, a collector of traces,
// and both ports of mail.
func TestKubernetesLetsOut(t *testing.T) {
	t.Parallel()
	rules, ok := manifests(t)["NetworkPolicy"].at("spec", "egress").([]any)
	if !ok {
		t.Fatal("the network policy lets nothing out")
	}
	var open []string
	for _, rule := range rules {
		for _, port := range rule.(map[string]any)["ports"].([]any) {
			p := object(port.(map[string]any))
			open = append(open, fmt.Sprint(p.at("protocol"), " ", p.at("port")))
		}
	}
	want := []string{"UDP 53", "TCP 53", "TCP 5432", "TCP 443", "TCP 4318", "TCP 465", "TCP 587"}
	if slices.Sort(open); !slices.Equal(open, slices.Sorted(slices.Values(want))) {
		t.Errorf("the network policy lets out %q; want %q", open, want)
	}
}

// checkSettings checks that the server knows each environment variable.
func checkSettings[V any](t *testing.T, settings map[string]V) {
	t.Helper()
	for name := range settings {
		key := strings.ToLower(strings.TrimPrefix(name, "COUNTERSIGN_"))
		if !slices.ContainsFunc(config.Keys(), func(k config.Key) bool { return k.Name == key }) {
			t.Errorf("%s is no setting", name)
		}
	}
}

// TestCompose checks the file for Docker Compose without Docker.
func TestCompose(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile("../../docker-compose.yml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Services map[string]struct {
			Image       string
			Profiles    []string
			Environment map[string]string
			Secrets     []string
			Volumes     []string
			ReadOnly    bool `yaml:"read_only"`
			Healthcheck object
			// Docker's own is 10 s.
			StopGracePeriod string            `yaml:"stop_grace_period"`
			DependsOn       map[string]object `yaml:"depends_on"`
			User            string
		}
		Secrets, Volumes map[string]object
	}
	if err := yaml.Unmarshal(content, &file); err != nil {
		t.Fatal(err)
	}
	for name, s := range file.Services {
		if len(s.Profiles) != 1 || s.Healthcheck == nil {
			t.Errorf("%s has profiles %v and health check %v", name, s.Profiles, s.Healthcheck)
		}
		for _, secret := range s.Secrets {
			if file.Secrets[secret] == nil {
				t.Errorf("%s: no secret %s", name, secret)
			}
		}
		for _, v := range s.Volumes {
			if named, _, _ := strings.Cut(v, ":"); file.Volumes == nil || !hasKey(file.Volumes, named) {
				t.Errorf("%s: no volume %s", name, named)
			}
		}
		for other := range s.DependsOn {
			if _, ok := file.Services[other]; !ok {
				t.Errorf("%s depends on %s", name, other)
			}
		}
		if s.Image == "countersign" {
			checkSettings(t, s.Environment)
			if !s.ReadOnly {
				t.Errorf("%s may write to its image", name)
			}
			if grace, err := time.ParseDuration(s.StopGracePeriod); err != nil || grace < 35*time.Second {
				t.Errorf("%s gets %q to stop", name, s.StopGracePeriod)
			}
			continue
		}
		if !regexp.MustCompile(`:\d`).MatchString(s.Image) {
			t.Errorf("%s: %s names no version", name, s.Image)
		}
	}
}

func hasKey[V any](m map[string]V, key string) bool {
	_, ok := m[key]
	return ok
}

// TestDockerfile checks that images are named by version, that the one that runs
// is no root's and is reached at the port that it names, and that it knows its
// commit.
func TestDockerfile(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile("../../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	for _, from := range regexp.MustCompile(`(?m)^FROM (?:--platform=\S+ )?(\S+)`).FindAllStringSubmatch(string(content), -1) {
		if !regexp.MustCompile(`:[\w.-]*\d|@sha256:|-debian\d`).MatchString(from[1]) {
			t.Errorf("%s names no version", from[1])
		}
	}
	for _, want := range []string{
		"\nUSER nonroot", "\nHEALTHCHECK ", `ENTRYPOINT ["/countersign"]`, "COUNTERSIGN_LISTEN=0.0.0.0:8080\n", "\nEXPOSE 8080\n",
		`make build VERSION="$VERSION" COMMIT="$COMMIT"`, `image.revision="$COMMIT"`,
	} {
		if !strings.Contains(string(content), want) {
			t.Errorf("the image lacks %s", strings.TrimSpace(want))
		}
	}
	settings := map[string]string{}
	for _, m := range regexp.MustCompile(`COUNTERSIGN_\w+`).FindAllString(string(content), -1) {
		settings[m] = ""
	}
	checkSettings(t, settings)
	makefile, err := os.ReadFile("../../Makefile")
	if err != nil || !strings.Contains(string(makefile), "-X main.commit=$(COMMIT)") {
		t.Errorf("no build is told its commit: %v", err)
	}
}

var exposure = regexp.MustCompile(`exposure level for \S+: (\d+\.\d+)`)

// TestSystemdUnit has systemd look at the unit, where it is there.
func TestSystemdUnit(t *testing.T) {
	t.Parallel()
	unit := string(read(t, "systemd/countersign.service"))
	if stop := regexp.MustCompile(`TimeoutStopSec=(\d+)s`).FindStringSubmatch(unit); stop == nil || stop[1] < "30" {
		t.Errorf("systemd kills the server after %v", stop)
	}
	settings := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^Environment=(COUNTERSIGN_\w+)=`).FindAllStringSubmatch(unit+string(read(t, "systemd/postgresql.conf")), -1) {
		settings[m[1]] = ""
	}
	if len(settings) != 3 {
		t.Errorf("the unit sets %v", settings)
	}
	checkSettings(t, settings)
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		return // the rest is systemd's own look
	}
	// What the unit starts has to be there for systemd to be content.
	dir := t.TempDir()
	path := filepath.Join(dir, "countersign.service")
	unit = strings.ReplaceAll(unit, "/usr/local/bin/countersign", "/bin/true")
	if err := os.MkdirAll(path+".d", 0o700); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{path: unit, filepath.Join(path+".d", "postgresql.conf"): string(read(t, "systemd/postgresql.conf"))} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.CommandContext(t.Context(), analyze, "verify", path).CombinedOutput()
	if err != nil || strings.Contains(string(out), "countersign.service:") {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
	out, err = exec.CommandContext(t.Context(), analyze, "security", "--offline=true", "--threshold=20", path).CombinedOutput()
	if level := exposure.FindStringSubmatch(string(out)); err != nil || level == nil {
		t.Errorf("systemd-analyze security: %v\n%s", err, out)
	}
}

var (
	scrape   = regexp.MustCompile("(?s)```yaml\n(scrape_configs:.*?)```")
	ofOneJob = regexp.MustCompile(`[{,]job="([^"]*)"`)
)

// The jobs of the guide are those of the alert rules, and find a port that the pods
// have; annotations would have the pods found by a job of another name.
func TestScrapeJobs(t *testing.T) {
	t.Parallel()
	guide, err := os.ReadFile("../../docs/operation.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := scrape.FindAllSubmatch(guide, -1)
	if len(blocks) != 2 {
		t.Errorf("the guide has %d scrape jobs", len(blocks))
	}
	for _, m := range ofOneJob.FindAllSubmatch(read(t, "prometheus-rules.yaml"), -1) {
		if string(m[1]) != "countersign" {
			t.Errorf("a rule is about the job %q", m[1])
		}
	}
	deployment := manifests(t)["Deployment"]
	for _, block := range blocks {
		var file map[string]any
		if err := yaml.Unmarshal(block[1], &file); err != nil || object(file).at("scrape_configs", "0", "job_name") != "countersign" {
			t.Errorf("%v: %s", err, block[1])
		}
		port := object(file).at("scrape_configs", "0", "relabel_configs", "0", "regex")
		if port != nil && port != deployment.at("spec", "template", "spec", "containers", "0", "ports", "1", "name") {
			t.Errorf("no port of the pods is called %v", port)
		}
	}
	if found := deployment.at("spec", "template", "metadata", "annotations"); found != nil {
		t.Errorf("the pods have the annotations %v", found)
	}
}
