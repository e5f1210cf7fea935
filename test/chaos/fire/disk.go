package fire

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// headroom is what a volume of the plan "disk" has beyond what is on it at first, in bytes: more than ClickHouse leaves alone.
const headroom = 768 << 20

// volume is a folder on a small volume of its own, that can be filled.
type volume struct {
	name, dir string
	aside     string // where the folder was before
}

// disk fills the volumes of the spool and of each server, one after the other, waits, and makes room again. Nobody repairs
// anything in between. For is divided among the five.
func disk(ctx context.Context, r *Run) (err error) {
	if os.Getuid() != 0 {
		return errors.New("this plan needs root, to mount small volumes")
	}
	volumes := []*volume{
		{name: "spool", dir: filepath.Join(r.Config.Data, "network")},
		{name: "kafka", dir: filepath.Join(r.Config.Data, "engines", "kafka")},
		{name: "clickhouse", dir: filepath.Join(r.Config.Data, "engines", "clickhouse")},
		{name: "postgres", dir: filepath.Join(r.Config.Data, "engines", "postgres")},
	}
	err = r.whileStopped(ctx, func() error { return each(volumes, (*volume).mount) })
	defer func() {
		err = errors.Join(err, r.whileStopped(context.WithoutCancel(ctx), func() error { return each(volumes, (*volume).unmount) }))
	}()
	if err != nil {
		return err
	}
	hold := r.Config.For / 8
	rows := [][]string{slices.Concat([]string{"volume", "phase"}, phaseTitles(), []string{"answers to reports", "all is well after s"})}
	for _, fill := range []struct {
		volume *volume
		share  float64
	}{{volumes[0], 0.96}, {volumes[0], 1}, {volumes[1], 1}, {volumes[2], 1}, {volumes[3], 1}} {
		r.cut()
		pause(ctx, hold/2)
		before := r.cut()
		r.Sayf("%s: the volume is filled to %.0f %%", fill.volume.name, 100*fill.share)
		if err := fill.volume.fill(fill.share); err != nil {
			return err
		}
		pause(ctx, 2*time.Second) // the spool looks once a second
		r.cut()
		pause(ctx, hold)
		during := r.cut()
		if err := fill.volume.free(); err != nil {
			return err
		}
		back := time.Now()
		gone, err := r.caughtUp(ctx, back, time.Minute+2*hold)
		if err != nil {
			return err
		}
		r.cut()
		pause(ctx, hold/2)
		after := r.cut()
		name := fmt.Sprintf("%s %.0f %%", fill.volume.name, 100*fill.share)
		rows = append(rows, slices.Concat([]string{name, "before"}, before.columns(), []string{reports(before), ""}),
			slices.Concat([]string{name, "full"}, during.columns(), []string{reports(during), ""}),
			slices.Concat([]string{name, "free"}, after.columns(), []string{reports(after), fmt.Sprintf("%.1f", gone.Seconds())}))
		r.judgeDisk(fill.volume, during, after)
	}
	r.Table(rows)
	return ctx.Err()
}

func reports(p Phase) string {
	var answers []string
	for _, status := range []string{"200", "503", "500", "0"} {
		if n := p.Status["report "+status]; n > 0 {
			answers = append(answers, fmt.Sprintf("%sx%d", status, n))
		}
	}
	return strings.Join(answers, " ")
}

// judgeDisk finds what a full volume should not have done.
func (r *Run) judgeDisk(v *volume, during, after Phase) {
	check := "full disk of " + v.name
	if during.Hasty > 0 || after.Hasty > 0 {
		r.Findf(check, "%d refusals did not say when to come again", during.Hasty+after.Hasty)
	}
	if n := during.Status["report 500"] + during.Status["click 500"] + during.Status["click 503"] + during.unanswered(); n > 0 {
		r.Findf(check, "%d clicks were not sent on, or reports not answered as they should be", n)
	}
	if v.name == "spool" && during.refused() == 0 {
		r.Findf(check, "no report was refused, so the volume was not full")
	}
	if v.name == "spool" && len(during.Reports) > 0 {
		r.Findf(check, "%d reports were stored on a full volume", len(during.Reports))
	}
	if v.name != "spool" && during.refused() > 0 {
		r.Findf(check, "%d reports were refused", during.refused())
	}
	if after.refused()+after.unanswered() > 0 {
		r.Findf(check, "%d requests were turned away when there was room again", after.refused()+after.unanswered())
	}
	if len(during.Clicks) == 0 {
		r.Findf(check, "no click was sent on")
	}
}

// whileStopped does something while neither the processes nor the servers run.
func (r *Run) whileStopped(ctx context.Context, work func() error) error {
	if err := r.Net.Halt(); err != nil {
		return err
	}
	err := work()
	if err := errors.Join(r.Net.StartServers(ctx), err); err != nil {
		return err
	}
	return r.Net.Start(ctx)
}

func each(volumes []*volume, work func(*volume) error) error {
	for _, v := range volumes {
		if err := work(v); err != nil {
			return fmt.Errorf("%s: %w", v.name, err)
		}
	}
	return nil
}

// mount puts a small volume in the place of the folder, with what was in there on it.
func (v *volume) mount() error {
	size := headroom + used(v.dir)
	aside := v.dir + ".aside"
	if err := errors.Join(os.Rename(v.dir, aside), os.Mkdir(v.dir, 0o700)); err != nil {
		return fmt.Errorf("putting the folder aside: %w", err)
	}
	v.aside = aside
	if err := syscall.Mount("chaos", v.dir, "tmpfs", 0, fmt.Sprintf("size=%d,mode=700", size)); err != nil {
		return fmt.Errorf("mounting a small volume: %w", err)
	}
	return move(v.aside, v.dir)
}

// unmount puts the folder back, with what is on the volume now.
func (v *volume) unmount() error {
	if v.aside == "" {
		return nil
	}
	if err := errors.Join(v.free(), move(v.dir, v.aside), syscall.Unmount(v.dir, 0), os.Remove(v.dir), os.Rename(v.aside, v.dir)); err != nil {
		return fmt.Errorf("putting the folder back: %w", err)
	}
	v.aside = ""
	return nil
}

// move copies what is in one folder to another and empties the first.
func move(from, to string) error {
	moving := exec.Command("sh", "-c", `cp -a "$1/." "$2/" && find "$1" -mindepth 1 -delete`, "move", from, to) //nolint:gosec,noctx // folders of our own
	if out, err := moving.CombinedOutput(); err != nil {
		return fmt.Errorf("copying %s: %w\n%s", from, err, out)
	}
	return nil
}

// used is what the files of a folder take, in bytes.
func used(dir string) (sum int64) {
	_ = filepath.WalkDir(dir, func(_ string, entry os.DirEntry, err error) error {
		if err != nil {
			return nil //nolint:nilerr // it is gone
		}
		if info, err := entry.Info(); err == nil {
			sum += (info.Size() + 4095) &^ 4095
		}
		return nil
	})
	return sum
}

// ballast is the file that fills a volume.
func (v *volume) ballast() string { return filepath.Join(v.dir, "chaos.ballast") }

// fill takes up the volume to a share of it; 1 is all there is.
func (v *volume) fill(share float64) error {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(v.dir, &fs); err != nil {
		return fmt.Errorf("measuring the volume: %w", err)
	}
	free := int64(fs.Bfree) - int64((1-share)*float64(fs.Blocks))
	file, err := os.Create(v.ballast())
	if err != nil {
		return fmt.Errorf("filling the volume: %w", err)
	}
	block := make([]byte, fs.Bsize)
	for n := range free + 64 { // whoever runs may make room meanwhile
		if _, err = file.Write(block); err != nil {
			break
		}
		if n%1024 == 0 { // some 400 MB a second: who watches its free space sees it go
			time.Sleep(10 * time.Millisecond)
		}
	}
	if errors.Is(err, syscall.ENOSPC) && share == 1 {
		err = nil
	}
	return errors.Join(err, file.Close())
}

func (v *volume) free() error {
	if err := os.Remove(v.ballast()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("making room: %w", err)
	}
	return nil
}
