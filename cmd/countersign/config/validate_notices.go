package config

import (
	"net/mail"
	"net/url"
)

// minHookSecret is the shortest key of the webhook's signatures.
const minHookSecret = 32 // characters

// validateNotices checks how somebody is told of what waits for approval.
func (c *Config) validateNotices(fault faulter) {
	if c.ApprovalWebhook != "" {
		c.validateWebhook(fault)
	}
	if len(c.ApprovalMail) != 0 {
		c.validateMail(fault)
	}
}

func (c *Config) validateWebhook(fault faulter) {
	u, err := url.Parse(c.ApprovalWebhook)
	if err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && (u.Scheme != "http" || !IsLoopback(u.Hostname())) {
		fault("approval_webhook", "must be an https URL without a user; http is for this machine only")
	}
	if len(c.ApprovalWebhookSecret) < minHookSecret {
		fault("approval_webhook_secret", "is needed with approval_webhook, and has %d characters or more; make one with `openssl rand -hex 32`", minHookSecret)
	}
}

func (c *Config) validateMail(fault faulter) {
	for _, address := range c.ApprovalMail {
		if _, err := mail.ParseAddress(address); err != nil {
			fault("approval_mail", "%q is no mail address; write it like ops@example.org", address)
		}
	}
	if _, err := mail.ParseAddress(c.ApprovalMailFrom); err != nil {
		fault("approval_mail_from", "is needed with approval_mail: a mail address such as countersign@example.org")
	}
	c.validateSMTP(fault)
}

func (c *Config) validateSMTP(fault faulter) {
	u, err := url.Parse(c.SMTP)
	switch {
	case err != nil, u.Hostname() == "", u.Scheme != "smtp" && u.Scheme != "smtps", u.Path != "" && u.Path != "/":
		fault("smtp", "is needed with approval_mail; write it like smtp://user@mail.example.org:587")
	case hasPassword(u):
		fault("smtp", "must not hold a password; give it by smtp_password_file")
	case u.User.Username() != "" && c.SMTPPassword == "":
		fault("smtp_password", "is needed because smtp names a user; give it by smtp_password_file")
	}
}

func hasPassword(u *url.URL) bool {
	_, has := u.User.Password()
	return has
}
