// Package schema holds the schemas of the ticket desk.
package schema
