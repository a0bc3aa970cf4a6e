package core_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/stratum-hq/stratum-go/core"
)

// Keys are variables of the package whose setting they are.
var (
	seats    = core.Key[int]{Name: "max_seats", Default: 10, Validate: positive}
	mfa      = core.Key[bool]{Name: "security.require_mfa"}
	logo     = core.Key[string]{Name: "branding.logo", Default: "/logo.svg"}
	allOwned = []core.ConfigKey{seats, mfa, logo}
)

func positive(n int) error {
	if n < 1 {
		return errors.New("must be positive")
	}
	return nil
}

// exampleLine makes a service provider with a customer, and the customer's shop.
func exampleLine(ctx context.Context, st *core.Stratum) (msp, acme, shop core.Tenant) {
	created, err := st.Tenants.CreateBatch(ctx, []core.NewTenant{
		{Name: "Managed Services", Slug: "msp"},
		{Name: "Acme", Slug: "acme", ParentSlug: "msp"},
		{Name: "Acme Shop", Slug: "acme-shop", ParentSlug: "acme"},
	})
	if err != nil {
		log.Fatal(err)
	}
	return created[0], created[1], created[2]
}

// A seat limit that a customer inherits, and overrides for what is beneath it.
func ExampleKey() {
	ctx := context.Background()
	st, cleanUp := openExample(ctx)
	defer cleanUp()
	msp, acme, shop := exampleLine(ctx, st)
	system := core.AsSystem(ctx, "contract 4711")

	inShop := core.WithTenant(ctx, shop.ID)
	n, _ := seats.Get(inShop, st)
	fmt.Println("by default:", n)
	if err := seats.Set(system, st, msp.ID, 25); err != nil {
		fmt.Println(err)
		return
	}
	n, _ = seats.Get(inShop, st)
	fmt.Println("inherited:", n)

	// A tenant may change its own config and that of its descendants.
	asAcme := core.WithTenant(ctx, acme.ID)
	fmt.Println("own:", seats.Set(asAcme, st, acme.ID, 50))
	fmt.Println("upwards:", errors.Is(seats.Set(asAcme, st, msp.ID, 50), core.ErrTenantNotFound))
	n, _ = seats.Get(inShop, st)
	fmt.Println("overridden:", n)
	fmt.Println(seats.Set(asAcme, st, acme.ID, 0))
	// Output:
	// by default: 10
	// inherited: 25
	// own: <nil>
	// upwards: true
	// overridden: 50
	// set config: "max_seats" must be positive: stratum: invalid config (correct the key or the value)
}

// A security policy that nobody beneath can switch off.
func ExampleConfig_Lock() {
	ctx := context.Background()
	st, cleanUp := openExample(ctx)
	defer cleanUp()
	msp, acme, shop := exampleLine(ctx, st)
	system := core.AsSystem(ctx, "security policy")

	asAcme := core.WithTenant(ctx, acme.ID)
	if err := errors.Join(mfa.Set(system, st, msp.ID, true), mfa.Set(asAcme, st, acme.ID, false)); err != nil {
		fmt.Println(err)
		return
	}
	shadowed, err := st.Config.Lock(system, msp.ID, mfa.Name)
	fmt.Println("shadowed:", shadowed, err)
	required, err := mfa.Get(core.WithTenant(ctx, shop.ID), st)
	fmt.Println("required:", required, err)
	fmt.Println(mfa.Set(asAcme, st, acme.ID, false))
	// Output:
	// shadowed: 1 <nil>
	// required: true <nil>
	// set config: "security.require_mfa" is locked at "msp": stratum: an ancestor has locked the config key (change it there, or unlock it there with Config.Unlock)
}

// Why a tenant has the value it has.
func ExampleConfig_Explain() {
	ctx := context.Background()
	st, cleanUp := openExample(ctx)
	defer cleanUp()
	msp, acme, shop := exampleLine(ctx, st)
	system := core.AsSystem(ctx, "support case 12")

	if err := errors.Join(seats.Set(system, st, msp.ID, 25), seats.Set(system, st, acme.ID, 50)); err != nil {
		fmt.Println(err)
		return
	}
	why, err := st.Config.Explain(system, shop.ID, seats.Name)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(why)
	// Output:
	// max_seats for acme-shop: 50 (acme is the nearest to have set it, and no tenant has locked it)
	// TENANT     OUTCOME     LOCK  VALUE
	// msp        overridden  -     25
	// acme       holds       -     50
	// acme-shop  unset       -     -
}

// A change that is made only if nobody else was faster.
func ExampleConfig_Set() {
	ctx := context.Background()
	st, cleanUp := openExample(ctx)
	defer cleanUp()
	msp, _, _ := exampleLine(ctx, st)
	system := core.AsSystem(ctx, "settings page")

	shown, err := st.Config.Set(system, msp.ID, core.ConfigChange{Key: "theme", Value: "dark"})
	if err != nil {
		fmt.Println(err)
		return
	}
	light := core.ConfigChange{Key: "theme", Value: "light", IfVersion: shown.Version}
	_, err = st.Config.Set(system, msp.ID, light)
	fmt.Println("first:", err)
	_, err = st.Config.Set(system, msp.ID, light)
	fmt.Println("second is a conflict:", errors.Is(err, core.ErrConfigConflict))
	// Output:
	// first: <nil>
	// second is a conflict: true
}

// All settings of a request at once, from one look at them.
func ExampleResolveInto() {
	ctx := context.Background()
	st, cleanUp := openExample(ctx)
	defer cleanUp()
	msp, _, shop := exampleLine(ctx, st)
	system := core.AsSystem(ctx, "onboarding")

	_, err := st.Config.SetBatch(system, msp.ID, []core.ConfigChange{
		{Key: "max_seats", Value: 25},
		{Key: "branding.logo", Value: "/msp.svg"},
		{Key: "security.require_mfa", Value: true, Locked: core.On},
	}, core.ConfigBatch{})
	if err != nil {
		fmt.Println(err)
		return
	}
	var settings struct {
		Seats      int    `config:"max_seats"`
		Logo       string `config:"branding.logo"`
		RequireMFA bool   `config:"security.require_mfa"`
	}
	err = core.ResolveInto(core.WithTenant(ctx, shop.ID), st, &settings)
	fmt.Printf("%+v %v\n", settings, err)
	// Output:
	// {Seats:25 Logo:/msp.svg RequireMFA:true} <nil>
}

// Keys that are declared are checked whoever writes them.
func ExampleOptions_configKeys() {
	ctx := context.Background()
	st, cleanUp := openExample(ctx, allOwned...)
	defer cleanUp()
	msp, _, _ := exampleLine(ctx, st)
	system := core.AsSystem(ctx, "import")

	for _, change := range []core.ConfigChange{
		{Key: "max_seats", Value: "many"},
		{Key: "max_seat", Value: 5},
	} {
		_, err := st.Config.Set(system, msp.ID, change)
		fmt.Println(err)
	}
	// Output:
	// set config: "max_seats" must be int, and this string is not: stratum: invalid config (correct the key or the value)
	// set config: "max_seat": stratum: the config key is not declared (add it to Options.ConfigKeys, or correct its name)
}

// A secret that a customer's shop inherits, until the customer's keys are destroyed.
func ExampleKey_sensitive() {
	ctx := context.Background()
	st, acme, cleanUp := openSealed(ctx)
	defer cleanUp()
	system := core.AsSystem(ctx, "onboarding")
	shop, err := st.Tenants.Create(system, core.NewTenant{Name: "Acme Shop", Slug: "acme-shop", Parent: acme.ID})
	if err != nil {
		fmt.Println(err)
		return
	}
	smtp := core.Key[string]{Name: "smtp.password", Sensitive: true}
	if err := smtp.Set(system, st, acme.ID, "hunter2"); err != nil {
		fmt.Println(err)
		return
	}
	inShop := core.WithTenant(ctx, shop.ID)
	password, err := smtp.Get(inShop, st)
	fmt.Println("inherited:", password, err)
	value, _ := st.Config.Get(system, shop.ID, smtp.Name)
	fmt.Println(value)
	why, _ := st.Config.Explain(system, shop.ID, smtp.Name)
	fmt.Print(why)

	_, _ = st.Keys.Shred(ctx, acme.ID, core.ShredOptions{})
	_, err = smtp.Get(inShop, st)
	fmt.Println("shredded:", errors.Is(err, core.ErrShredded))
	// Output:
	// inherited: hunter2 <nil>
	// smtp.password = [sensitive]
	// smtp.password for acme-shop: [sensitive] (acme is the nearest to have set it, and no tenant has locked it)
	// TENANT     OUTCOME  LOCK  VALUE
	// acme       holds    -     [sensitive]
	// acme-shop  unset    -     -
	// shredded: true
}
