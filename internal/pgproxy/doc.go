// Package pgproxy stands between a client and PostgreSQL in tests. It reads what the client sends, message by message,
// and so counts round trips exactly; and it can make the network bad: slow, or cut.
//
//	proxy.go     Proxy: Start, DSN, Cut, Delay, Close
//	link.go      one client's connection, there and back
//	startup.go   what a client sends before it is connected
//	counts.go    Counts: round trips, bytes, messages
//	log.go       Record, Statements: the texts that were sent
//	errors.go    what Start cannot serve
package pgproxy
