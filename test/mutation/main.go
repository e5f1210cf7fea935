// Command mutation holds that tests notice when money is reckoned otherwise: each patch beside it changes one rule of the code, and
// some test of the changed package has to fail. `mutation 08-tier-exclusive` tries one. Nothing in the tree is changed: what a patch
// makes of a file is given to go test as an overlay.
//
// The first line of a patch says what it does. One that does not apply any more, since the code around has changed, is an error:
// make it again by hand with `git diff -U1`.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// atOnce is how many patches are tried at a time.
const atOnce = 2

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "mutation:", err)
		os.Exit(1)
	}
}

// run tries the named patches of the tree that it is run in, all where none is named.
func run(names []string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	root, err := os.Getwd()
	if err != nil {
		return fmt.Errorf("finding the tree: %w", err)
	}
	patches, err := filepath.Glob(filepath.Join(root, "test/mutation/*.patch"))
	if err != nil || len(patches) == 0 {
		return errors.New("there are no patches in test/mutation: run it at the root of the tree")
	}
	var tried sync.WaitGroup
	room := make(chan struct{}, atOnce)
	outcomes := make([]error, len(patches))
	for i, patch := range patches {
		name := strings.TrimSuffix(filepath.Base(patch), ".patch")
		if len(names) > 0 && !slices.Contains(names, name) {
			continue
		}
		tried.Go(func() {
			room <- struct{}{}
			defer func() { <-room }()
			began := time.Now()
			noticed, err := try(ctx, root, patch)
			if err != nil {
				outcomes[i] = fmt.Errorf("%s: %w", name, err)
				return
			}
			fmt.Printf("%-28s %s (%.1fs)\n", name, noticed, time.Since(began).Seconds())
		})
	}
	tried.Wait()
	return errors.Join(outcomes...)
}

// try gives the test that notices what a patch changes.
func try(ctx context.Context, root, patch string) (noticed string, err error) {
	scratch, err := os.MkdirTemp("", "mutation")
	if err != nil {
		return "", fmt.Errorf("making a folder: %w", err)
	}
	defer func() { _ = os.RemoveAll(scratch) }()
	file, err := apply(ctx, root, patch, scratch)
	if err != nil {
		return "", err
	}
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(root, file): filepath.Join(scratch, file)}})
	if err != nil {
		return "", fmt.Errorf("writing the overlay: %w", err)
	}
	list := filepath.Join(scratch, "overlay.json")
	if err := os.WriteFile(list, overlay, 0o600); err != nil {
		return "", fmt.Errorf("writing the overlay: %w", err)
	}
	test := exec.CommandContext(ctx, "go", "test", "-overlay", list, "-vet=off", "-count=1", "-short", "-failfast", "./"+filepath.Dir(file), //nolint:gosec // a folder of the tree
		"-rapid.nofailfile", "-rapid.shrinktime=1ms", "-rapid.checks=30")
	test.Dir = root
	said, err := test.CombinedOutput()
	failed := regexp.MustCompile(`(?m)^--- FAIL: (\w+)`).FindSubmatch(said)
	switch {
	case err == nil:
		return "", fmt.Errorf("no test of %s notices that the code is wrong: %s", filepath.Dir(file), firstLine(patch))
	case failed == nil:
		return "", fmt.Errorf("its package cannot be tested: %w\n%s", err, said)
	}
	return string(failed[1]), nil
}

// apply writes what a patch makes of its one file into the scratch folder, and names the file.
func apply(ctx context.Context, root, patch, scratch string) (file string, err error) {
	text, err := os.ReadFile(patch)
	if err != nil {
		return "", fmt.Errorf("reading the patch: %w", err)
	}
	target := regexp.MustCompile(`(?m)^\+\+\+ b/(.+)$`).FindSubmatch(text)
	if target == nil {
		return "", errors.New("it names no file")
	}
	file = string(target[1])
	if err := copyFile(root, scratch, file); err != nil {
		return "", fmt.Errorf("copying %s: %w", file, err)
	}
	git := exec.CommandContext(ctx, "git", "apply", patch) //nolint:gosec // a file of the tree
	git.Dir = scratch
	git.Env = append(os.Environ(), "GIT_CEILING_DIRECTORIES="+filepath.Dir(scratch)) // it is in no repository
	if said, err := git.CombinedOutput(); err != nil {
		return "", fmt.Errorf("it does not apply to %s any more, which has changed: make it again with git diff -U1\n%s", file, bytes.TrimSpace(said))
	}
	return file, nil
}

// copyFile copies a file of the tree to the same place in the scratch folder.
func copyFile(root, scratch, file string) error {
	tree, err := os.OpenRoot(root)
	if err != nil {
		return err
	}
	to, err := os.OpenRoot(scratch)
	if err != nil {
		return err
	}
	code, err := tree.ReadFile(file)
	if err != nil {
		return err
	}
	if err := to.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	return to.WriteFile(file, code, 0o600)
}

// firstLine says what a patch does.
func firstLine(patch string) string {
	text, err := os.ReadFile(patch)
	if err != nil {
		return err.Error()
	}
	line, _, _ := strings.Cut(string(text), "\n")
	return line
}
