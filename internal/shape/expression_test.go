package shape_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stratum-hq/stratum-go/internal/shape"
)

func TestRelocate(t *testing.T) {
	t.Parallel()
	inside := map[[2]string]bool{
		{"public", "a"}: true, {"public", "B b"}: true, {"public", `o'"q`}: true, {"public", "a_seq"}: true,
	}
	for from, to := range map[string]string{
		`nextval('public.a_seq'::regclass)`:               `nextval('t_1.a_seq'::regclass)`,
		`nextval('public."o''""q"'::regclass)`:            `nextval('t_1."o''""q"'::regclass)`,
		`nextval('public.other'::regclass)`:               `nextval('public.other'::regclass)`,
		`'public.a_seq'::text`:                            `'public.a_seq'::text`,
		`FOREIGN KEY (x) REFERENCES public.a(id)`:         `FOREIGN KEY (x) REFERENCES t_1.a(id)`,
		`FOREIGN KEY (x) REFERENCES public."B b"(id)`:     `FOREIGN KEY (x) REFERENCES t_1."B b"(id)`,
		`FOREIGN KEY (x) REFERENCES public.other(id)`:     `FOREIGN KEY (x) REFERENCES public.other(id)`,
		`(public.a(x) > 0)`:                               `(public.a(x) > 0)`,
		`( SELECT FROM public.a WHERE (a.id = public.f))`: `( SELECT FROM t_1.a WHERE (a.id = public.f))`,
		`CREATE INDEX a ON public.a USING btree (a)`:      `CREATE INDEX a ON t_1.a USING btree (a)`,
		`x.public.a`:       `x.public.a`,
		`'x'::public.mood`: `'x'::public.mood`,
		`'unterminated`:    `'unterminated`,
	} {
		require.Equal(t, to, shape.Relocate(from, "t_1", inside))
	}
	require.Equal(t, `"Odd".a`, shape.Relocate("public.a", "Odd", inside))
}

func TestCanonical(t *testing.T) {
	t.Parallel()
	for from, to := range map[string]string{
		`((s)::text = ANY ((ARRAY['a'::character varying, 'b, ]'::character varying])::text[]))`: `((s)::text = ANY (ARRAY[('a'::character varying)::text, ('b, ]'::character varying)::text]))`,
		`(ARRAY[f(a, b), x[1]])::public.mood[]`:                                                  `ARRAY[(f(a, b))::public.mood, (x[1])::public.mood]`,
		`(ARRAY[1])::text`:                                                                       `(ARRAY[1])::text`,
		`(ARRAY[1]) AND '(ARRAY['`:                                                               `(ARRAY[1]) AND '(ARRAY['`,
		`(ARRAY[`:                                                                                `(ARRAY[`,
		`ARRAY['a'::text]`:                                                                       `ARRAY['a'::text]`,
	} {
		require.Equal(t, to, shape.Canonical(from))
		require.Equal(t, to, shape.Canonical(to))
	}
}

func TestTypesThatLoseValues(t *testing.T) {
	t.Parallel()
	for _, types := range [][2]string{
		{"bigint", "integer"},
		{"character varying(10)", "character varying(9)"},
		{"text", "character varying(10)"},
		{"character varying", "character varying(10)"},
		{"numeric", "numeric(10,2)"},
		{"numeric(10,2)", "numeric(10,3)"},
		{"numeric(10,2)", "numeric(10,1)"},
		{"numeric(10,2)", "numeric(9,2)"},
		{"text", "integer"},
		{"integer", "text"},
		{"double precision", "real"},
		{"public.mood", "text"},
		{"jsonb", "json"},
		{"character(3)", "text"},
	} {
		require.True(t, shape.Loses(types[0], types[1]), types)
	}
	for _, types := range [][2]string{
		{"integer", "bigint"},
		{"smallint", "integer"},
		{"bigint", "numeric"},
		{"real", "double precision"},
		{"numeric(10,2)", "numeric(11,3)"},
	} {
		require.True(t, shape.Rewrites(types[0], types[1]), types)
	}
	for _, types := range [][2]string{
		{"character varying(10)", "character varying(11)"},
		{"character varying(10)", "text"},
		{"text", "character varying"},
		{"numeric(10,2)", "numeric(11,2)"},
		{"numeric(10,2)", "numeric"},
	} {
		require.False(t, shape.Loses(types[0], types[1]), types)
		require.False(t, shape.Rewrites(types[0], types[1]), types)
	}
}
