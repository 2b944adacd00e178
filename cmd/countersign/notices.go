package main

import (
	"net/url"

	"countersign/admin/notice"
	"countersign/cmd/countersign/config"
)

// channels are the ways by which somebody is told of what waits for approval.
// Every process keeps the notices, the command line too; a server sends them.
func channels(cfg *config.Config) []string {
	var list []string
	if cfg.ApprovalWebhook != "" {
		list = append(list, notice.Webhook)
	}
	if len(cfg.ApprovalMail) > 0 {
		list = append(list, notice.Mail)
	}
	return list
}

// notices returns what tells of what waits for approval.
func (s *server) notices() *notice.Sender {
	to := map[string]notice.Channel{}
	if s.cfg.ApprovalWebhook != "" {
		to[notice.Webhook] = notice.Hook{
			URL: s.cfg.ApprovalWebhook, Key: []byte(s.cfg.ApprovalWebhookSecret.Reveal()), Client: s.stores.outbound, Now: s.stores.db.Now,
		}
	}
	if server, err := url.Parse(s.cfg.SMTP); err == nil && len(s.cfg.ApprovalMail) > 0 {
		to[notice.Mail] = notice.Post{
			Server: server, Password: s.cfg.SMTPPassword.Reveal(), From: s.cfg.ApprovalMailFrom, To: s.cfg.ApprovalMail,
		}
	}
	return notice.New(notice.Config{
		Clients: s.stores.clients, Accounts: s.stores.accounts, Audit: s.stores.audit,
		Name: s.cfg.Name, Issuer: s.cfg.Issuer, Base: s.cfg.AdminBase(), Channels: to, Log: s.log,
	})
}
