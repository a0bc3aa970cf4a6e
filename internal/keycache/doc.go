// Package keycache keeps what belongs to tenants in memory for a bounded time: so many of them, none longer than a TTL,
// and each read without a lock.
//
//	cache.go   Cache: Get, Drop, Clear, Close
//	flight.go  loads of one tenant at a time
package keycache
