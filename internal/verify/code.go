package verify

// Code is the kind of a finding. Codes are part of the API: a release may add some, and renames none.
type Code string

// Codes about tables.
const (
	CodeTableMissing   Code = "table_missing"    // recorded or declared, and not there
	CodeTableUnclassed Code = "table_unclassed"  // neither owned nor mixed, global or external, out of tenants' reach
	CodeTableReachable Code = "table_reachable"  // the same, within their reach
	CodeTableUnknown   Code = "table_unrecorded" // has Stratum's policies or a model, and Migrate has not recorded it
	CodeClassDiffers   Code = "class_differs"    // the model says another class than the record
	CodeRLSDisabled    Code = "rls_disabled"     // row-level security is off
	CodeRLSNotForced   Code = "rls_not_forced"   // row-level security does not bind the owner
	CodePolicyMissing  Code = "policy_missing"   // one or more of Stratum's policies
	CodePolicyAltered  Code = "policy_altered"   // one of Stratum's policies is not as Stratum makes it
	CodePolicyForeign  Code = "policy_foreign"   // a permissive policy beside Stratum's
	CodeAdoption       Code = "adoption_not_sealed"
	CodeJoinTable      Code = "join_table_without_tenant"
	CodeChildReachable Code = "child_reachable"  // a partition or inheriting table without policies
	CodeParent         Code = "parent_reachable" // a table that a tenant-owned one inherits from
	CodeColumnMissing  Code = "tenant_column_missing"
	CodeColumnNullable Code = "tenant_column_nullable"
	CodeColumnDefault  Code = "tenant_column_default"
)

// Codes about keys and indexes.
const (
	CodeUniqueAcross     Code = "unique_across_tenants"
	CodeUniqueMissing    Code = "unique_missing" // a model declares it
	CodeIndexNotLed      Code = "index_not_led_by_tenant"
	CodeIndexInvalid     Code = "index_invalid"
	CodeForeignKey       Code = "foreign_key_without_tenant"
	CodeForeignKeyInto   Code = "foreign_key_into_tenants" // from a table that all tenants share
	CodeForeignKeyNot    Code = "foreign_key_not_valid"
	CodeForeignMissing   Code = "foreign_key_missing" // a model declares it
	CodeForeignKeyIndex  Code = "foreign_key_index_missing"
	CodeGloballyUnique   Code = "unique_globally_by_choice"
	CodeConflictTarget   Code = "conflict_target"
	globallyUniquePrefix      = "stratum: globally unique"
)

// Codes about rights.
const (
	CodeTruncate          Code = "truncate_granted"
	CodeReferences        Code = "references_granted"
	CodeTrigger           Code = "trigger_granted"
	CodeMaintain          Code = "maintain_granted"
	CodePublicGrant       Code = "public_granted"
	CodeSchemaGranted     Code = "shared_table_granted_to_schema_role"
	CodeGlobalWritable    Code = "global_writable"
	CodeSequenceWritable  Code = "sequence_writable"
	CodeTemp              Code = "temp_granted"
	CodeSchemaCreate      Code = "schema_create_granted"
	CodeDatabaseCreate    Code = "database_create_granted"
	CodeDefaultPrivileges Code = "default_privileges"
	CodeRegistry          Code = "registry_reachable" // Stratum's own tables
	CodeRoleOwns          Code = "role_owns"
	CodeLargeObject       Code = "large_object_shared"
)

// Codes about code in the database.
const (
	CodeViewDefiner     Code = "view_without_security_invoker"
	CodeMaterialized    Code = "materialized_view_reachable"
	CodeRule            Code = "rule"
	CodeDefiner         Code = "security_definer_reachable"
	CodeDefinerAccepted Code = "security_definer_by_choice"
	CodeTenantFunction  Code = "tenant_function_altered"
	CodeLeakproof       Code = "leakproof_function"
	acceptedPrefix           = "stratum: accepted"
)

// Codes about roles and logins.
const (
	CodeRoleAttribute Code = "role_attribute"
	CodeRoleMember    Code = "role_member"
	CodeSystemGranted Code = "system_role_granted"
	CodeLoginInherits Code = "login_inherits"
	CodeLoginBypasses Code = "login_bypasses"
	CodeLoginCreates  Code = "login_creates_roles"
	CodeLoginSystem   Code = "login_may_become_system"
	CodeLoginOwns     Code = "login_owns"
	CodeLoginPowerful Code = "login_powerful"
	CodeLoginRefused  Code = "login_refused"
	CodeNotSigned     Code = "setting_not_signed" // only where hardened mode was asked for
)
