package notice

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Hook is a webhook: each message is posted to it as JSON, signed as Standard
// Webhooks has it, with HMAC-SHA256 over "id.timestamp.body".
type Hook struct {
	URL string
	Key []byte
	// Client reaches that address and nothing that it must not: see package
	// outbound.
	Client *http.Client
	Now    func() time.Time
}

// Tell posts the message. Any answer from 200 to 299 says that it arrived.
func (h Hook) Tell(ctx context.Context, m Message) error {
	body, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("encode notice: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, h.URL, bytes.NewReader(body))
	if err != nil {
		return errors.New("the address cannot be used")
	}
	at := strconv.FormatInt(h.Now().Unix(), 10)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Webhook-Id", m.ID)
	r.Header.Set("Webhook-Timestamp", at)
	r.Header.Set("Webhook-Signature", "v1,"+h.sign(m.ID, at, body))
	res, err := h.Client.Do(r)
	if failed, ok := errors.AsType[*url.Error](err); ok {
		return failed.Err // without the address, which may hold what is the receiver's own
	}
	if err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, res.Body) // what it says does not matter
	_ = res.Body.Close()                 // it was read
	if res.StatusCode < 200 || res.StatusCode > 299 {
		return fmt.Errorf("the webhook answered %d", res.StatusCode)
	}
	return nil
}

func (h Hook) sign(id, at string, body []byte) string {
	mac := hmac.New(sha256.New, h.Key)
	_, _ = mac.Write([]byte(id + "." + at + ".")) // never fails
	_, _ = mac.Write(body)
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}
