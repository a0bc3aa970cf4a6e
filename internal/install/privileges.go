package install

// Privileges returns in words what Migrate needs. Where its login has less, it changes nothing and returns a
// *PrivilegeError; Script prints what a DBA runs instead.
func Privileges() string {
	return `Stratum's schema is installed by a login that
  - has CREATE on the database (for the schema "stratum" and the trusted extension ltree),
  - owns the database (to revoke TEMPORARY from PUBLIC) and, through it, the schema public (to revoke CREATE),
  - has CREATEROLE, or finds the four roles and their grants in place. Since PostgreSQL 16 only who made a role, or
    was given it WITH ADMIN OPTION, may grant it.
A superuser has all of that, but functions of the schema then run with a superuser's rights where they run with their
owner's: the database's owner is the better choice. What is in place already needs no privilege: once a DBA has run the
script, Migrate succeeds as any login. To upgrade later, it must own the schema "stratum" and what is in it.
`
}
