package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestNoticeSettings(t *testing.T) {
	t.Parallel()
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte(strings.Repeat("k", 32)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load(Source{File: file(t, `four_eyes: true
approval_webhook: https://chat.example/hook?room=1
approval_webhook_secret_file: `+secret+`
approval_mail: [ops@example.org, "sec@example.org"]
approval_mail_from: countersign@example.org
smtp: smtp://robot@mail.example.org:587
smtp_password_file: `+secret+`
`)})
	if err != nil {
		t.Fatal(err)
	}
	if !c.FourEyes || len(c.ApprovalMail) != 2 || len(c.ApprovalWebhookSecret.Reveal()) != 32 || c.SMTPPassword.Reveal() == "" {
		t.Errorf("read %+v", c)
	}
	if Default().FourEyes {
		t.Error("four eyes by default")
	}
	for _, k := range Keys() {
		if (k.Name == "approval_webhook_secret" || k.Name == "smtp_password") && k.Flag != "" {
			t.Errorf("%s is an argument, which every user of the machine reads", k.Name)
		}
	}
}

func TestNoticeFaults(t *testing.T) {
	t.Parallel()
	key := "APPROVAL_WEBHOOK_SECRET=" + strings.Repeat("k", 32)
	mail := []string{"APPROVAL_MAIL=ops@example.org", "APPROVAL_MAIL_FROM=a@example.org"}
	for _, tt := range []struct {
		env  []string
		want string
	}{
		{[]string{"FOUR_EYES=yes"}, "neither true nor false"},
		{[]string{"APPROVAL_WEBHOOK=http://chat.example/", key}, "must be an https URL"},
		{[]string{"APPROVAL_WEBHOOK=https://a:b@chat.example/", key}, "without a user"},
		{[]string{"APPROVAL_WEBHOOK=https://chat.example/", "APPROVAL_WEBHOOK_SECRET=short"}, "32 characters"},
		{[]string{"APPROVAL_WEBHOOK=https://chat.example/"}, "32 characters"},
		{append(mail, "APPROVAL_MAIL=nobody", "SMTP=smtp://a.example"), "no mail address"},
		{mail[:1], "approval_mail_from"},
		{mail, "smtp://user@mail.example.org:587"},
		{append(mail, "SMTP=http://mail.example"), "smtp://user@mail.example.org:587"},
		{append(mail, "SMTP=smtp://a:b@mail.example"), "must not hold a password"},
		{append(mail, "SMTP=smtp://a@mail.example"), "smtp_password"},
	} {
		var env []string
		for _, one := range tt.env {
			env = append(env, EnvPrefix+one)
		}
		if _, err := Load(Source{Env: env}); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v: %v; want %q", tt.env, err, tt.want)
		}
		if _, err := Load(Source{Env: env}); err != nil && strings.Contains(err.Error(), "a:b@") {
			t.Errorf("%v: the error shows the password", tt.env)
		}
	}
}
