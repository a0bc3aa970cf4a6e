// Package access holds the key to what core shows the other packages of this module and nobody else. Users of the
// module cannot import this package, hence cannot call a method that asks for a Token.
package access

// Token is asked for by methods of core that are not part of its public API.
type Token struct{}
