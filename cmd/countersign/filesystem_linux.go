package main

import "syscall"

// networkFileSystem names the network file system that folder is on, if it is
// on one.
func networkFileSystem(folder string) string {
	var stat syscall.Statfs_t
	if syscall.Statfs(folder, &stat) != nil {
		return ""
	}
	// The numbers are those of statfs(2).
	switch uint32(stat.Type) { //nolint:gosec // they have 32 bits, whatever the field has
	case 0x6969:
		return "NFS"
	case 0xFF534D42, 0xFE534D42, 0x517B:
		return "SMB"
	case 0x01021997:
		return "9P"
	case 0x5346414F:
		return "AFS"
	case 0x00C36400:
		return "Ceph"
	default:
		return ""
	}
}
