// Package consumer holds no code. Its test builds small modules that depend on this one, as a user's application does,
// and looks at what that costs them:
//
//   - the Go version the dependency asks for;
//   - the modules that are compiled in;
//   - what must never be: test libraries, other database drivers, cloud SDKs, an ORM that was not asked for.
package consumer
