package pgproxy

import (
	"bytes"
	"slices"
	"sync"
)

// statementLog keeps the texts of statements.
type statementLog struct {
	mu         sync.Mutex
	recording  bool
	statements []string
}

// Record begins a log of the statements that clients send from now on. Whoever runs a statement again that a connection
// has prepared sends no text.
func (p *Proxy) Record() {
	p.log.mu.Lock()
	defer p.log.mu.Unlock()
	p.log.recording, p.log.statements = true, nil
}

// Statements returns the texts since Record, in the order in which they came.
func (p *Proxy) Statements() []string {
	p.log.mu.Lock()
	defer p.log.mu.Unlock()
	return slices.Clone(p.log.statements)
}

// on reports whether a message of this type is to be kept: Query and Parse have texts.
func (l *statementLog) on(kind byte) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.recording && (kind == 'Q' || kind == 'P')
}

// add keeps the text of a message. A Parse begins with the name of the prepared statement.
func (l *statementLog) add(kind byte, body []byte) {
	if kind == 'P' {
		_, body, _ = bytes.Cut(body, []byte{0})
	}
	text, _, _ := bytes.Cut(body, []byte{0})
	l.mu.Lock()
	defer l.mu.Unlock()
	l.statements = append(l.statements, string(text))
}
