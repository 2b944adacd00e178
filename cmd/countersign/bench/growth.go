package main

import "context"

func growths(context.Context, *lab, options, *report) error { return nil }
