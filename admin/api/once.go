package api

import (
	"context"
	"errors"
	"maps"
	"strings"

	"countersign/storage/idempotency"
)

const maxIdempotencyKey = 255

// job is what a request has done once, however often it is sent.
type job struct {
	content string // of the body
	// prepare is what takes long: it runs outside of any transaction.
	prepare func(ctx context.Context) error
	// work runs in the transaction that keeps its answer.
	work func(ctx context.Context) (*answer, error)
}

// once does the job, or repeats what it was answered before. Work and answer
// are kept together or not at all: whoever lost the answer asks again, and
// gets neither a second client nor a second secret.
func (h *Handler) once(r *request, j job) (*answer, error) {
	key, err := r.idempotencyKey()
	if err != nil {
		return nil, err
	}
	if key == "" {
		return h.do(r, j, func(context.Context, *answer) error { return nil })
	}
	claim, before, err := h.cfg.Once.Begin(r.Context(), idempotency.Request{
		Caller: r.caller.key(), Key: key, Content: r.Method + "\x00" + r.URL.Path + "\x00" + j.content,
	})
	if err != nil {
		return nil, err
	}
	if before != nil {
		header := map[string]string{"Idempotency-Replayed": "true"}
		maps.Copy(header, before.Header)
		return &answer{before.Status, header, before.Body}, nil
	}
	a, err := h.do(r, j, func(ctx context.Context, a *answer) error {
		body, err := a.encode()
		if err != nil {
			return err
		}
		return h.cfg.Once.Finish(ctx, claim, idempotency.Answer{Status: a.status, Header: a.header, Body: body})
	})
	if err != nil {
		return nil, errors.Join(err, h.cfg.Once.Release(context.WithoutCancel(r.Context()), claim))
	}
	return a, nil
}

func (h *Handler) do(r *request, j job, keep func(context.Context, *answer) error) (a *answer, err error) {
	if err := j.prepare(r.Context()); err != nil {
		return nil, err
	}
	if err := h.still(r); err != nil {
		return nil, err
	}
	err = h.cfg.Tx.InTx(r.Context(), func(ctx context.Context) error {
		if a, err = j.work(ctx); err != nil {
			return err
		}
		return keep(ctx, a)
	})
	return a, err
}

// idempotencyKey reads the header, with or without the quotation marks of a
// structured field (IETF draft httpapi-idempotency-key-header, section 2.1).
func (r *request) idempotencyKey() (string, error) {
	values := r.Header.Values("Idempotency-Key")
	if len(values) == 0 {
		return "", nil
	}
	key := strings.TrimSuffix(strings.TrimPrefix(values[0], `"`), `"`)
	if len(values) > 1 || key == "" || len(key) > maxIdempotencyKey || strings.ContainsFunc(key, func(c rune) bool { return c < '!' || c > '~' }) {
		return "", problemOf(badIdempotencyKey, "It is not one of 1 to 255 printable characters.")
	}
	return key, nil
}
