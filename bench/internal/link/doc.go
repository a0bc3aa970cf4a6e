// Package link has the ways to a server that are measured.
//
//	link.go         Kinds, Open: a unix socket, TCP, PgBouncer, a slow network
//	delay.go        Delay: a proxy that holds back what passes it
//	sleep_*.go      sleeping for less than a millisecond
package link
