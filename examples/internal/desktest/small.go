package desktest

import (
	"errors"
	"maps"
	"os"
	"path/filepath"

	"github.com/stratum-hq/stratum-go/fieldcrypt"
)

// small is a dataset with just what the attempts need: a line of three levels, a neighbour, and two tenants more.
func small() map[string]string {
	return map[string]string{
		"countries.csv": "code,name\nIE,Ireland\nNO,Norway\n",
		"tenants.csv": "slug,name,parent,external_id\n" +
			"top,Top,,org_top\nmid,Mid,top,\nleaf,Leaf,mid,\nside,Side,top,\nidle,Idle,top,\n" +
			"next,\"Next, \"\"2\"\"\",side,\n",
		"isolations.csv": "tenant,isolation\n",
		"tags.csv":       "tenant,name\ntop,vip\nmid,vip\nleaf,vip\nside,vip\nmid,slow\n",
		"tickets.csv": "tenant,number,subject,status,priority,requester,country,opened_at,closed_at\n" +
			"top,T-1,First,open,low,,IE,2025-01-01T10:00:00Z,\n" +
			"mid,T-1,First,open,normal,ann@example.org,NO,2025-01-02T10:00:00Z,\n" +
			"mid,T-2,\"Second, \"\"quoted\"\"\",closed,high,,,2025-01-03T10:00:00Z,2025-01-04T10:00:00Z\n" +
			"mid,T-3,  spaces  ,pending,urgent,,NO,2025-01-05T10:00:00Z,\n" +
			"leaf,T-1,First,open,low,,NO,2025-01-01T10:00:00Z,\n" +
			"side,T-1,First,closed,low,,IE,2025-01-01T10:00:00Z,2025-01-01T11:00:00Z\n" +
			"side,T-2,Second,open,low,,,2025-01-01T10:00:00Z,\n",
		"comments.csv": "tenant,ticket,author,body,written_at\n" +
			"top,T-1,ann,Hello,2025-01-01T11:00:00Z\n" +
			"mid,T-1,ann,\"two\nlines, a \"\"quote\"\" and ünïcode ✓\",2025-01-02T11:00:00Z\n" +
			"mid,T-1,bob,  spaces  ,2025-01-02T12:00:00Z\n" +
			"leaf,T-1,ann,Hello,2025-01-01T11:00:00Z\n" +
			"side,T-1,ann,Hello,2025-01-01T11:00:00Z\n",
		"ticket_tags.csv": "tenant,ticket,tag\ntop,T-1,vip\nmid,T-1,vip\nmid,T-2,vip\nmid,T-2,slow\nside,T-1,vip\n",
	}
}

// Mixed has, beside the small dataset, a tenant with a schema of its own, another one beneath it, and one with a
// database.
func Mixed() map[string]string {
	const ticket = ",T-1,First,open,low,,IE,2025-01-01T10:00:00Z,\n"
	more := map[string]string{
		"tenants.csv":    "far,Far,,\nfar-near,Near,far,\nfar-vault,Vault,far,\n",
		"isolations.csv": "far,schema\nfar-vault,database\n",
		"tags.csv":       "far,vip\nfar-near,slow\nfar-vault,slow\n",
		"tickets.csv":    "far" + ticket + "far-near" + ticket + "far-vault" + ticket,
		"comments.csv": "far,T-1,ann,Hello,2025-01-01T11:00:00Z\nfar-near,T-1,ann,Hello,2025-01-01T11:00:00Z\n" +
			"far-vault,T-1,ann,Hello,2025-01-01T11:00:00Z\n",
		"ticket_tags.csv": "far,T-1,vip\nfar-near,T-1,slow\nfar-vault,T-1,slow\n",
	}
	files := small()
	for name, rows := range more {
		files[name] += rows
	}
	return files
}

// Files is the small dataset with some files replaced.
func Files(replaced map[string]string) map[string]string {
	files := small()
	maps.Copy(files, replaced)
	return files
}

// keyfile has the key of the tenants' keys.
const keyfile = "kek"

// Write writes the small dataset to a folder, with some files replaced, and a keyfile.
func Write(folder string, replaced map[string]string) error {
	files := Files(replaced)
	files[keyfile] = fieldcrypt.FormatKey(fieldcrypt.NewKey())
	errs := make([]error, 0, len(files))
	for name, content := range files {
		errs = append(errs, os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600))
	}
	return errors.Join(errs...)
}
