/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* disk.S -- the part of the test guest that proves its disks; guest.S includes it
 * if it is assembled with DISKS defined.
 *
 * Each disk is a virtio-blk device on PCI bus 0 that can be driven through I/O
 * ports (legacy or transitional: on q35 every one that is not behind a port) and
 * is not read-only.  The first of them, in the order of slots, is disk 0 of
 * mkguest's parameters.  On each of them the guest owns two areas:
 *
 *   dirty area    Each sector holds the stamp of (disk, sector, sweep).  A visit
 *                 reads a chunk of blocks, CHECKS that they bear the stamps of the
 *                 sweep before, and writes those of this one.  So a write that a
 *                 move lost, took from the wrong moment or put in the wrong place
 *                 is seen by the next sweep.  Chunks are visited in the order 0,
 *                 step, 2 step ... (modulo the area), so that the blocks of the
 *                 sweep under way are spread over the area.
 *   static area   Filled by the host before the start, then only read: a chunk per
 *                 visit.  The words of a block, its sector and the disk's magic
 *                 have the sum 0.
 *
 * First the dirty area is filled as fast as can be; that is sweep -1, which checks
 * nothing.  The line on COM1 has three more numbers:
 *
 *   D%08x W%08x F%08x      sweeps that all disks have completed, wrong blocks,
 *                          requests that failed and disks that were not found
 *
 * A stamp is four words, repeated until the sector is full: magic, sector, sweep,
 * and the exclusive or of these three.  lib/disks.py reads them.
 */

	.set MAX_DISKS, 4
	.set SWEEPS_MAX, 0x7fffffff
	.set BLOCK_SECTORS, 8
	.set SECTOR_BYTES, 512
	.set STAMP_BYTES, 16
	.set PASS_STAMPS, 4		/* stamps in one pass of a loop */
	.set DISK_MAGIC, 0x3064676d	/* "mgd0", the next disk's is "mgd1" */

	/* A disk: what mkguest sets (blocks of 4 KiB, sectors of 512 bytes) ... */
	.set D_FIRST, 0			/* first sector of the dirty area */
	.set D_BLOCKS, 4		/* of the dirty area; 0: no disk */
	.set D_RATE_Q16, 8		/* blocks per ms, 16.16 fixed point */
	.set D_CHUNK, 12		/* blocks of a request; the areas are multiples */
	.set D_STEP, 16			/* blocks from one visit to the next */
	.set D_STATIC_FIRST, 20
	.set D_STATIC_BLOCKS, 24
	.set D_FLUSH, 28			/* 1: a sweep has ended when it was flushed */
	/* ... and the guest's own. */
	.set D_PORT, 32			/* 0: not found */
	.set D_MAGIC, 36
	.set D_MEMORY, 40
	.set D_AVAIL, 44
	.set D_USED, 48
	.set D_NEXT, 52			/* what follows the request under way; 0: none is */
	.set D_AT, 56			/* block of the dirty area, where the next visit is */
	.set D_STATIC_AT, 60
	.set D_SWEEPS, 64
	.set D_CREDIT_Q16, 68
	.set DISK_SIZE, 72

	/* The memory of a disk: the ring, then what a request needs. */
	.set DISK_ADDR, 0x200000
	.set DISK_MEMORY, 0x100000
	.set RING_BYTES, 0x8000
	.set RING_SIZE_MAX, 1024	/* QEMU's limit; such a ring takes 0x7006 bytes */
	.set M_HEADER, 0x8000		/* type, priority, sector */
	.set M_STATUS, 0x8010
	.set M_BUFFER, 0x10000		/* up to 128 blocks */

	/* virtio 0.9.5, appendix A and D. */
	.set VIRTIO_BLK_ID, 0x10011af4
	.set VIRTIO_FEATURES, 0
	.set VIRTIO_ACCEPTED, 4
	.set VIRTIO_RING_PAGE, 8
	.set VIRTIO_RING_SIZE, 12
	.set VIRTIO_RING_SELECT, 14
	.set VIRTIO_NOTIFY, 16
	.set VIRTIO_STATUS, 18
	.set VIRTIO_ISR, 19
	.set VIRTIO_IS_READONLY, 1 << 5
	.set VIRTIO_HAS_FLUSH, 1 << 9	/* without it QEMU flushes after each write */
	.set VIRTIO_DRIVER, 3
	.set VIRTIO_DRIVER_OK, 7
	.set DESC_NEXT, 1
	.set DESC_WRITE, 2
	.set REQUEST_READ, 0
	.set REQUEST_WRITE, 1
	.set REQUEST_FLUSH, 4

	.set PCI_INTX_OFF, 0x400
	.set PCI_IO_MEMORY_MASTER, 7
	.set SLAVE_VECTOR, TIMER_VECTOR + 8
	.set CR0_WP, 0x10000

/* ---- the work ----------------------------------------------------------------- */

work_disks:
	movl	$0, disk_event
	movl	ticks, %eax
	movl	%eax, %edx
	subl	disk_ticks, %edx
	movl	%eax, disk_ticks
	jz	1f
	/* QEMU before 9.0 under TCG does not see writes through an entry of its TLB
	 * that is older than the last look at the dirty pages
	 * (findings/tcg-before-9.0-loses-writes-in-a-live-move.sh), and a ring that is
	 * older than its device ends a move.  A change of CR0 empties the TLB. */
	movl	%cr0, %eax
	xorl	$CR0_WP, %eax
	movl	%eax, %cr0
	cmpl	$CATCH_UP_MS, %edx
	jbe	1f
	movl	$CATCH_UP_MS, %edx
1:	movl	%edx, disk_elapsed
	movl	$disks, %ebp
2:	cmpl	$0, D_PORT(%ebp)
	je	3f
	call	add_credit
	call	work_disk
3:	addl	$DISK_SIZE, %ebp
	cmpl	$disks_end, %ebp
	jb	2b
	ret

	/* EBP = disk, here and in all that follows.  A disk that cannot keep up saves no
	 * more than CATCH_UP_MS and two chunks (mkguest's limit keeps it below 2^32). */
add_credit:
	movl	D_RATE_Q16(%ebp), %eax
	cmpl	$RATE_UNBOUNDED, %eax
	je	1f
	imull	disk_elapsed, %eax
	addl	D_CREDIT_Q16(%ebp), %eax
	movl	D_CHUNK(%ebp), %edx
	shll	$17, %edx
	imull	$CATCH_UP_MS, D_RATE_Q16(%ebp), %ecx
	addl	%ecx, %edx
	cmpl	%edx, %eax
	jbe	1f
	movl	%edx, %eax
1:	movl	%eax, D_CREDIT_Q16(%ebp)
	ret

	/* Goes on if the request under way has ended.  What follows it gets EDX = its
	 * status, 0: all is well. */
work_disk:
	movl	D_NEXT(%ebp), %eax
	testl	%eax, %eax
	jz	begin_visit
	movl	D_AVAIL(%ebp), %esi
	movl	D_USED(%ebp), %edi
	movw	2(%esi), %dx
	cmpw	2(%edi), %dx
	jne	2f
	movl	D_MEMORY(%ebp), %edi
	movzbl	M_STATUS(%edi), %edx
	testl	%edx, %edx
	jz	1f
	incl	failed_requests
1:	jmp	*%eax
2:	ret

begin_visit:
	cmpl	$0, D_SWEEPS(%ebp)
	jl	write_visit
	movl	D_CHUNK(%ebp), %eax
	shll	$16, %eax
	cmpl	%eax, D_CREDIT_Q16(%ebp)
	jb	2f
	subl	%eax, D_CREDIT_Q16(%ebp)
	call	visit_sector
	movl	$REQUEST_READ, %eax
	movl	$was_read, %ecx
	jmp	submit
2:	ret

was_read:
	testl	%edx, %edx
	jnz	write_visit
	call	check_chunk
write_visit:
	call	stamp_chunk
	call	visit_sector
	movl	$REQUEST_WRITE, %eax
	movl	$was_written, %ecx
	jmp	submit

was_written:
	cmpl	$0, D_STATIC_BLOCKS(%ebp)
	je	end_visit
	cmpl	$0, D_SWEEPS(%ebp)
	jl	end_visit
	call	static_sector
	movl	$REQUEST_READ, %eax
	movl	$static_was_read, %ecx
	jmp	submit

static_was_read:
	testl	%edx, %edx
	jnz	1f
	call	check_static_chunk
1:	movl	D_STATIC_AT(%ebp), %eax
	addl	D_CHUNK(%ebp), %eax
	cmpl	D_STATIC_BLOCKS(%ebp), %eax
	jb	2f
	xorl	%eax, %eax
2:	movl	%eax, D_STATIC_AT(%ebp)

	/* Steps and chunks have no common factor, so a sweep ends where it began. */
end_visit:
	movl	$0, D_NEXT(%ebp)
	movl	D_AT(%ebp), %eax
	addl	D_STEP(%ebp), %eax
	cmpl	D_BLOCKS(%ebp), %eax
	jb	1f
	subl	D_BLOCKS(%ebp), %eax
1:	movl	%eax, D_AT(%ebp)
	testl	%eax, %eax
	jnz	begin_visit
	cmpl	$0, D_FLUSH(%ebp)
	je	was_flushed
	xorl	%edx, %edx
	movl	$REQUEST_FLUSH, %eax	/* its data are ignored */
	movl	$was_flushed, %ecx
	jmp	submit

was_flushed:
	movl	$0, D_NEXT(%ebp)
	incl	D_SWEEPS(%ebp)
	jmp	begin_visit

	/* EAX = type, EDX = sector, ECX = what follows.  The chain of descriptors begins
	 * at 0 in every request, so the ring itself stays all zeros. */
submit:
	movl	%ecx, D_NEXT(%ebp)
	movl	D_MEMORY(%ebp), %edi
	movl	%eax, M_HEADER(%edi)
	movl	%edx, M_HEADER + 8(%edi)
	movb	$0xff, M_STATUS(%edi)
	movw	$DESC_NEXT, %dx
	testl	%eax, %eax
	jnz	1f
	orw	$DESC_WRITE, %dx
1:	movw	%dx, 16 + 12(%edi)
	movl	D_AVAIL(%ebp), %edi
	incw	2(%edi)
	movl	D_PORT(%ebp), %edx
	addl	$VIRTIO_NOTIFY, %edx
	xorl	%eax, %eax
	outw	%ax, %dx
	ret

/* ---- stamps ------------------------------------------------------------------- */

	/* Returns EDX = the sector of the visit. */
visit_sector:
	movl	D_AT(%ebp), %edx
	shll	$3, %edx
	addl	D_FIRST(%ebp), %edx
	ret
static_sector:
	movl	D_STATIC_AT(%ebp), %edx
	shll	$3, %edx
	addl	D_STATIC_FIRST(%ebp), %edx
	ret

	/* EDX = sector, EAX = sweep, which is lost. */
make_stamp:
	movl	%edx, stamp + 4
	movl	%eax, stamp + 8
	xorl	%edx, %eax
	xorl	D_MAGIC(%ebp), %eax
	movl	%eax, stamp + 12
	movl	D_MAGIC(%ebp), %eax
	movl	%eax, stamp
	ret

	/* Returns EDI = the buffer, EBX = its blocks. */
chunk_buffer:
	movl	D_MEMORY(%ebp), %edi
	addl	$M_BUFFER, %edi
	movl	D_CHUNK(%ebp), %ebx
	ret

stamp_chunk:
	call	chunk_buffer
	shll	$3, %ebx
	call	visit_sector
1:	movl	D_SWEEPS(%ebp), %eax
	incl	%eax
	call	make_stamp
	call	stamp_sector
	incl	%edx
	decl	%ebx
	jnz	1b
	ret

	/* EDI = sector, and then the next one.  String instructions are ten times
	 * slower under TCG. */
stamp_sector:
	pushl	%ebx
	pushl	%edx
	call	load_stamp
	leal	SECTOR_BYTES(%edi), %esi
1:	.set	at, 0
	.rept	PASS_STAMPS
	movl	%eax, at(%edi)
	movl	%ebx, at + 4(%edi)
	movl	%ecx, at + 8(%edi)
	movl	%edx, at + 12(%edi)
	.set	at, at + STAMP_BYTES
	.endr
	addl	$at, %edi
	cmpl	%esi, %edi
	jb	1b
	popl	%edx
	popl	%ebx
	ret

load_stamp:
	movl	stamp, %eax
	movl	stamp + 4, %ebx
	movl	stamp + 8, %ecx
	movl	stamp + 12, %edx
	ret

check_chunk:
	call	chunk_buffer
	call	visit_sector
1:	pushl	%ebx
	movl	$BLOCK_SECTORS, %ebx
	xorl	%ecx, %ecx
2:	pushl	%ecx
	movl	D_SWEEPS(%ebp), %eax
	call	make_stamp
	call	is_sector_wrong
	popl	%ecx
	orl	%eax, %ecx
	incl	%edx
	decl	%ebx
	jnz	2b
	addl	%ecx, wrong_blocks
	popl	%ebx
	decl	%ebx
	jnz	1b
	ret

	/* EDI = sector, and then the next one; returns EAX = 1 if it does not bear the
	 * stamp. */
is_sector_wrong:
	pushl	%ebx
	pushl	%edx
	pushl	%ebp
	call	load_stamp
	leal	SECTOR_BYTES(%edi), %ebp
	movl	%ebp, sector_end
	xorl	%ebp, %ebp		/* all bits that are wrong */
1:	.set	at, 0
	.rept	PASS_STAMPS
	movl	at(%edi), %esi
	xorl	%eax, %esi
	orl	%esi, %ebp
	movl	at + 4(%edi), %esi
	xorl	%ebx, %esi
	orl	%esi, %ebp
	movl	at + 8(%edi), %esi
	xorl	%ecx, %esi
	orl	%esi, %ebp
	movl	at + 12(%edi), %esi
	xorl	%edx, %esi
	orl	%esi, %ebp
	.set	at, at + STAMP_BYTES
	.endr
	addl	$at, %edi
	cmpl	sector_end, %edi
	jb	1b
	xorl	%eax, %eax
	testl	%ebp, %ebp
	setnz	%al
	popl	%ebp
	popl	%edx
	popl	%ebx
	ret

check_static_chunk:
	call	chunk_buffer
	movl	%edi, %esi
	call	static_sector
1:	movl	$(BLOCK_SECTORS * SECTOR_BYTES / 16), %ecx
	movl	D_MAGIC(%ebp), %edi
	addl	%edx, %edi
2:	addl	(%esi), %edi
	addl	4(%esi), %edi
	addl	8(%esi), %edi
	addl	12(%esi), %edi
	addl	$16, %esi
	decl	%ecx
	jnz	2b
	testl	%edi, %edi
	jz	3f
	incl	wrong_blocks
3:	addl	$BLOCK_SECTORS, %edx
	decl	%ebx
	jnz	1b
	ret

/* ---- the start ---------------------------------------------------------------- */

	/* Looks through bus 0 for disks until all have theirs.  Other devices have no
	 * driver here: what they signal would be signalled for ever. */
start_disks:
	movl	$disks, %ebp
	xorl	%ebx, %ebx		/* device and function << 8 */
1:	xorl	%ecx, %ecx
	call	pci_read
	incl	%eax
	jz	3f
	pushl	%eax
	movl	$4, %ecx
	call	pci_read
	movzwl	%ax, %eax		/* a 1 in the status would clear it */
	orl	$PCI_INTX_OFF, %eax
	call	pci_write
	popl	%eax
	cmpl	$VIRTIO_BLK_ID + 1, %eax
	jne	3f
	cmpl	$disks_end, %ebp
	jae	3f
	cmpl	$0, D_BLOCKS(%ebp)
	je	3f
	call	start_disk
	cmpl	$0, D_PORT(%ebp)
	je	3f
	addl	$DISK_SIZE, %ebp
3:	addl	$0x100, %ebx
	cmpl	$0x10000, %ebx
	jb	1b
	/* What is left was not found. */
	jmp	5f
4:	cmpl	$0, D_BLOCKS(%ebp)
	je	6f
	incl	failed_requests
6:	addl	$DISK_SIZE, %ebp
5:	cmpl	$disks_end, %ebp
	jb	4b
	jmp	start_slave_pic

	/* EBX = device and function; leaves D_PORT at 0 if it is not one of ours. */
start_disk:
	movl	$0x10, %ecx
	call	pci_read
	testb	$1, %al			/* only an I/O port is of use here */
	jz	9f
	andl	$~3, %eax
	movl	%eax, %esi
	movl	$4, %ecx
	call	pci_read
	movzwl	%ax, %eax
	orl	$PCI_IO_MEMORY_MASTER, %eax
	call	pci_write
	leal	VIRTIO_STATUS(%esi), %edx
	xorl	%eax, %eax
	outb	%al, %dx
	movb	$VIRTIO_DRIVER, %al
	outb	%al, %dx
	leal	VIRTIO_FEATURES(%esi), %edx
	inl	%dx, %eax
	testl	$VIRTIO_IS_READONLY, %eax
	jnz	9f
	andl	$VIRTIO_HAS_FLUSH, %eax
	leal	VIRTIO_ACCEPTED(%esi), %edx
	outl	%eax, %dx
	leal	VIRTIO_RING_SELECT(%esi), %edx
	xorl	%eax, %eax
	outw	%ax, %dx
	leal	VIRTIO_RING_SIZE(%esi), %edx
	inw	%dx, %ax
	decl	%eax
	cmpl	$RING_SIZE_MAX, %eax	/* 0 became 65535 */
	jae	9f
	incl	%eax
	call	make_ring
	leal	VIRTIO_RING_PAGE(%esi), %edx
	movl	D_MEMORY(%ebp), %eax
	shrl	$12, %eax
	outl	%eax, %dx
	leal	VIRTIO_STATUS(%esi), %edx
	movb	$VIRTIO_DRIVER_OK, %al
	outb	%al, %dx
	movl	%esi, D_PORT(%ebp)
	movl	$-1, D_SWEEPS(%ebp)
	/* Its interrupt: a line that is not on the slave PIC stays closed, and the disk is
	 * looked at once a millisecond. */
	movl	$4, %ecx
	call	pci_read
	movzwl	%ax, %eax
	andl	$~PCI_INTX_OFF, %eax
	call	pci_write
	movl	$0x3c, %ecx
	call	pci_read
	movzbl	%al, %eax
	subl	$8, %eax
	cmpl	$8, %eax
	jae	9f
	btrl	%eax, slave_mask
9:	ret

	/* EAX = its size.  The ring is at the beginning of the disk's memory. */
make_ring:
	movl	%ebp, %ecx
	subl	$disks, %ecx
	movl	$DISK_ADDR, %edi
	movl	$DISK_MAGIC, D_MAGIC(%ebp)
1:	subl	$DISK_SIZE, %ecx
	jb	2f
	addl	$DISK_MEMORY, %edi
	addl	$0x1000000, D_MAGIC(%ebp)
	jmp	1b
2:	movl	%edi, D_MEMORY(%ebp)
	leal	6(%eax, %eax), %ecx	/* flags, index, entries, event */
	shll	$4, %eax
	addl	%edi, %eax
	movl	%eax, D_AVAIL(%ebp)
	leal	4095(%eax, %ecx), %eax
	andl	$~4095, %eax
	movl	%eax, D_USED(%ebp)
	pushl	%edi
	xorl	%eax, %eax
	movl	$((RING_BYTES + 32) / 4), %ecx
	rep stosl
	popl	%edi
	/* Header, data, status; the flags of the data are set with each request. */
	leal	M_HEADER(%edi), %eax
	movl	%eax, (%edi)
	movl	$16, 8(%edi)
	movl	$(DESC_NEXT | 1 << 16), 12(%edi)
	leal	M_BUFFER(%edi), %eax
	movl	%eax, 16(%edi)
	movl	D_CHUNK(%ebp), %eax
	shll	$12, %eax
	movl	%eax, 16 + 8(%edi)
	movl	$(2 << 16), 16 + 12(%edi)
	leal	M_STATUS(%edi), %eax
	movl	%eax, 32(%edi)
	movl	$1, 32 + 8(%edi)
	movl	$DESC_WRITE, 32 + 12(%edi)
	ret

	/* EBX = device and function, ECX = register; EDX is lost. */
pci_read:
	call	pci_select
	inl	%dx, %eax
	ret
pci_write:
	pushl	%eax
	call	pci_select
	popl	%eax
	outl	%eax, %dx
	ret
pci_select:
	leal	0x80000000(%ebx, %ecx), %eax
	movl	$0xcf8, %edx
	outl	%eax, %dx
	movl	$0xcfc, %edx
	ret

/* ---- interrupts --------------------------------------------------------------- */

start_slave_pic:
	movl	$disk_interrupt, %eax
	movl	$(IDT_ADDR + SLAVE_VECTOR * 8), %edi
	movl	$8, %ecx
	movl	%eax, %edx
	shrl	$16, %edx
1:	movw	%ax, (%edi)
	movw	$SELECTOR_CODE, 2(%edi)
	movw	$0x8e00, 4(%edi)
	movw	%dx, 6(%edi)
	addl	$8, %edi
	loop	1b
	movb	$0x11, %al
	outb	%al, $0xa0
	movb	$SLAVE_VECTOR, %al
	outb	%al, $0xa1
	movb	$0x02, %al
	outb	%al, $0xa1
	movb	$0x01, %al
	outb	%al, $0xa1
	movb	slave_mask, %al
	outb	%al, $0xa1
	movb	$0xfa, %al		/* lines 0 and 2 (the slave) are open */
	outb	%al, $0x21
	ret

	/* Ends the wait of the main loop; a look at the ISR clears the signal. */
disk_interrupt:
	pushal
	movl	$1, disk_event
	movl	$disks, %ebp
1:	movl	D_PORT(%ebp), %edx
	testl	%edx, %edx
	jz	2f
	addl	$VIRTIO_ISR, %edx
	inb	%dx, %al
2:	addl	$DISK_SIZE, %ebp
	cmpl	$disks_end, %ebp
	jb	1b
	movb	$0x20, %al
	outb	%al, $0xa0
	outb	%al, $0x20
	popal
	iret

	/* EDI = where the disks' numbers go in the line. */
put_disks:
	movl	$SWEEPS_MAX, %ebx	/* if all of them are only filled */
	movl	$disks, %ebp
1:	cmpl	$0, D_BLOCKS(%ebp)
	je	3f
	cmpl	$0, D_RATE_Q16(%ebp)
	jne	2f
	cmpl	$0, D_SWEEPS(%ebp)	/* such a disk is only filled */
	jge	3f
2:	cmpl	%ebx, D_SWEEPS(%ebp)
	jge	3f
	movl	D_SWEEPS(%ebp), %ebx
3:	addl	$DISK_SIZE, %ebp
	cmpl	$disks_end, %ebp
	jb	1b
	testl	%ebx, %ebx
	jns	4f
	xorl	%ebx, %ebx		/* one of them is still filled */
4:	call	put_hex
	movl	wrong_blocks, %ebx
	call	put_hex
	movl	failed_requests, %ebx
	jmp	put_hex

	/* What the above writes: guest.S has it in its data. */
	.macro	disk_data
slave_mask:	.long	0xff
disk_event:	.long	0		/* a disk has signalled something since the last look */
disk_ticks:	.long	0
disk_elapsed:	.long	0
wrong_blocks:	.long	0
failed_requests: .long	0
stamp:		.long	0, 0, 0, 0
sector_end:	.long	0
	/* Set by mkguest; the mark is how it finds them. */
	.ascii	"migrd-disks:1\0\0\0"
	.long	DISK_SIZE, MAX_DISKS
disks:
	.fill	DISK_SIZE * MAX_DISKS, 1, 0
disks_end:
	.endm
