// Package schema holds the schemas of the desk.
package schema
