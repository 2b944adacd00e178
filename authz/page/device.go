package page

import (
	"time"

	"countersign/storage/locale"
)

// DeviceCode is the page on which somebody types the code that a device shows.
type DeviceCode struct {
	// UserCode is what was typed last.
	UserCode string
	// Fault says why that did not lead anywhere.
	Fault DeviceFault
	// Wait is how long to wait before the next attempt.
	Wait time.Duration
	// UILocales are the languages that the page was asked for in.
	UILocales string
}

// DeviceFault is why a code does not lead anywhere.
type DeviceFault string

// The faults of a code.
const (
	WrongCode       DeviceFault = "wrong"
	ExpiredCode     DeviceFault = "expired"
	UsedCode        DeviceFault = "used"
	UnusableClient  DeviceFault = "client"
	NotAmongTesters DeviceFault = "tester"
	TooManyCodes    DeviceFault = "throttled"
)

var deviceFaults = map[DeviceFault]locale.Message{
	WrongCode:       "No device waits for this code",
	ExpiredCode:     "This code has expired",
	UsedCode:        "This code has been used",
	UnusableClient:  "This application may not be used",
	NotAmongTesters: "This application is being tried out by others",
	TooManyCodes:    "Too many attempts",
}

// Title says in short what is wrong.
func (f DeviceFault) Title() locale.Message { return deviceFaults[f] }

func (DeviceCode) template() string { return "device_code.html" }

// WaitWords is how long to wait, in words.
func (p DeviceCode) WaitWords() locale.Message { return Duration(p.Wait) }

// AtField reports whether the fault is in what was typed.
func (p DeviceCode) AtField() bool { return p.Fault != "" && p.Fault != TooManyCodes }

// Device is the page that asks whether an application on a device may.
type Device struct {
	Application Application
	Person      Person
	UserCode    string
	// From is the address that the device asks from, and Elsewhere tells that
	// it is in another network than this browser.
	From      string
	Elsewhere bool
	Groups    []ScopeGroup
	// Access is how long an access token lives, and Offline how long the
	// application may renew it on its own; 0 when it may not.
	Access, Offline time.Duration
	// AnyTime tells that the client may get access tokens while nobody is there,
	// for as long as it is allowed to.
	AnyTime bool
	// Shown identifies what the page says, for the form to bring back.
	Shown string
	// Scan leads to another device, nil when the code came by no link.
	Scan *Scan
	// UILocales are the languages that the page was asked for in.
	UILocales string
}

func (Device) template() string { return "device.html" }

// AccessWords is the life of an access token, in words.
func (p Device) AccessWords() locale.Message { return Duration(p.Access) }

// OfflineWords is how long the access may be renewed, in words.
func (p Device) OfflineWords() locale.Message { return Duration(p.Offline) }

// DeviceDone is the page of somebody who has decided about a device.
type DeviceDone struct {
	Application Application
	Allowed     bool
}

func (DeviceDone) template() string { return "device_done.html" }
