/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* guest.S -- a guest that proves its own memory.
 *
 * No operating system: the BIOS loads the boot sector, the boot sector loads
 * the rest, and from then on it is 32-bit code with interrupts from the PIT at
 * 1 kHz, or one every `tick_ms'.  It owns three areas from 16 MiB up, in this order:
 *
 *   spare area    Filled once, then left alone: it costs the guest no time.  The
 *                 host looks at it (Guest.assert_spare_right of lib/world.py).
 *   dirty area    Page i holds the stamp of (sweep, i).  A visit CHECKS that
 *                 the page bears the stamp of the sweep before, then writes
 *                 that of this one.  So a page that a move lost, took from the
 *                 wrong moment or put in the wrong place is seen by the next
 *                 sweep.
 *   static area   Filled once, then only read: one of its pages per visit.
 *
 * Every `period_ms' it writes one line of fixed width on COM1:
 *
 *   T%08x S%08x E%08x\n      milliseconds, completed sweeps, wrong words
 *
 * Since the static area is not larger than the dirty one (mkguest sees to it),
 * two more completed sweeps with E = 0 prove every page of both areas.
 *
 * If it has a NIC (ne2k_isa at 0x300) it sends a frame to all beside each line.
 * If it has a display, its first line of text begins with a red cell, one whose
 * colour is another every 128 ms, and two green ones that are drawn only once.
 *
 * With a wave (`wave_ms') the pace changes: it grows from nothing to twice the
 * rate, and falls back (a saw-tooth), or, with `busy_ms', is the rate for so
 * long and then nothing.
 *
 * Values are set by mkguest in the parameter block at the end of the boot
 * sector.  With DISKS defined it also proves disks: disk.S.
 */

	.set LOAD_ADDR, 0x7c00
	.ifdef DISKS
	/* Under TCG a write to a page with code in it costs a microsecond. */
	.set STACK_ADDR, 0x7000
	.set DATA_ADDR, 0x9000
	.set REST_SECTORS, 11
	.set VECTORS, TIMER_VECTOR + 16
	.else
	.set STACK_ADDR, LOAD_ADDR
	.set REST_SECTORS, 3
	.set VECTORS, TIMER_VECTOR + 1
	.endif
	.set AREA_ADDR, 0x1000000	/* 16 MiB: above all that the BIOS uses */
	.set IDT_ADDR, 0x1000
	.set TIMER_VECTOR, 0x20
	.set COM1, 0x3f8
	.set COM1_STATUS, COM1 + 5	/* line status register of a 16550 */
	.set COM1_IS_FREE, 0x20
	.set STALL_POLLS, 0x1000000	/* some seconds */
	.set NIC, 0x300			/* an NE2000: a DP8390 with its data at NIC + 16 */
	.set NIC_DATA, NIC + 16
	.set NIC_BUFFER, 0x40		/* page of its memory */
	.set NIC_SENDS, 0x26		/* command: start, no DMA, transmit */
	.set PIT_DIVISOR, 1193		/* 1193182 Hz / 1193 = 1000.15 Hz */
	.set SCREEN, 0xb8000		/* VGA text: a character and its colours for each cell */
	.set CELLS_ALWAYS, 0x00204f20	/* two spaces: on red, and on black */
	.set CELLS_ONCE, 0x2f202f20	/* two on green */
	.set CELL_COLOUR, 0x70000000	/* background of the second one */
	.set CELL_COLOUR_SHIFT, 21	/* bits 7 to 9 of the time */
	.set SELECTOR_CODE, 8
	.set SELECTOR_DATA, 16

	/* Stamps: words at 0, 1364, 2728 and 4092 of a page (first to last),
	 * the stamp turned by a byte from one to the next. */
	.set STAMP_WORDS, 4
	.set STAMP_STRIDE, 1364
	.set STAMP_SWEEP_SHIFT, 20	/* (sweep << 20) | page: up to 4 GiB of pages */
	.set STAMP_STATIC, 0xa5c00000
	.set STAMP_SPARE, 0x5ac00000

	.set RATE_UNBOUNDED, 0xffffffff
	.set BATCH_PAGES, 64		/* unbounded: so many between looks at the clock */
	.set CATCH_UP_MS, 8		/* what a starved guest may catch up at once */

	.text
	.code16
	.globl _start
_start:
	cli
	xorw	%ax, %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %ss
	movw	$LOAD_ADDR, %sp
	cld
	/* int 13h, AH=2: read from cylinder 0, head 0, sector 2 of drive DL,
	 * which the BIOS has set to what it booted from. */
	movw	$(0x0200 + REST_SECTORS), %ax
	movw	$rest, %bx
	movw	$0x0002, %cx
	movb	$0, %dh
	int	$0x13
	jc	hang16
	cli
	inb	$0x92, %al		/* address line 20 */
	orb	$2, %al
	andb	$0xfe, %al		/* bit 0 would reset the machine */
	outb	%al, $0x92
	lgdt	gdt_pointer
	movl	%cr0, %eax
	orb	$1, %al
	movl	%eax, %cr0
	ljmp	$SELECTOR_CODE, $start32
hang16:
	hlt
	jmp	hang16

	.balign 8
gdt:
	.quad	0
	.quad	0x00cf9a000000ffff	/* flat code */
	.quad	0x00cf92000000ffff	/* flat data */
gdt_pointer:
	.word	. - gdt - 1
	.long	gdt
idt_pointer:
	.word	VECTORS * 8 - 1
	.long	IDT_ADDR

	/* Set by mkguest; the mark is how it finds them. */
	.org	0x1c0
	.ascii	"migrd-guest:1\0\0\0"
dirty_pages:	.long	0
rate_q16:	.long	0		/* pages per ms, 16.16 fixed point */
static_pages:	.long	0
period_ms:	.long	4
spare_pages:	.long	0
wave_ms:	.long	0		/* 0: none */
busy_ms:	.long	0		/* of each wave; 0: a saw-tooth */
tick_ms:	.long	1
	.org	0x1fe
	.word	0xaa55

	/* ---- from here on: what the boot sector loads -------------------- */
rest:
	.code32
start32:
	movw	$SELECTOR_DATA, %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %ss
	movl	$STACK_ADDR, %esp
	call	fill_areas
	call	start_serial
	movl	$CELLS_ONCE, SCREEN + 4
	call	start_nic
	call	start_clock
	.ifdef DISKS
	call	start_disks
	.endif
	sti

	/* Work follows the clock: each new millisecond brings `rate_q16' more
	 * pages to visit; with nothing left to do the CPU is halted. */
main_loop:
	.ifdef DISKS
	call	work_disks
	.endif
	cli
	movl	ticks, %eax
	movl	%eax, %edx
	subl	seen_ticks, %edx
	jnz	1f
	cmpl	$RATE_UNBOUNDED, rate_q16
	je	1f
	.ifdef DISKS
	cmpl	$0, disk_event
	jne	3f
	.endif
	sti
	hlt				/* sti takes effect after hlt: no tick is missed */
	jmp	main_loop
	.ifdef DISKS
3:	sti
	jmp	main_loop
	.endif
1:	sti
	movl	%eax, seen_ticks
	movl	$BATCH_PAGES, %ecx
	movl	rate_q16, %eax
	cmpl	$RATE_UNBOUNDED, %eax
	je	visit_pages
	cmpl	$CATCH_UP_MS, %edx
	jbe	2f
	movl	$CATCH_UP_MS, %edx
2:	call	scale_by_wave
	imull	%edx, %eax
	addl	credit_q16, %eax
	movzwl	%ax, %edx
	movl	%edx, credit_q16
	shrl	$16, %eax
	movl	%eax, %ecx
visit_pages:				/* ECX of them */
	jecxz	main_loop
	cmpl	$0, dirty_pages
	je	main_loop
1:	pushl	%ecx
	call	visit_dirty
	call	visit_static
	popl	%ecx
	loop	1b
	jmp	main_loop

scale_by_wave:				/* the rate in EAX, by the time in the wave */
	cmpl	$0, wave_ms
	je	3f
	pushl	%edx
	movl	%eax, %ebx
	movl	seen_ticks, %eax
	xorl	%edx, %edx
	divl	wave_ms
	cmpl	$0, busy_ms
	je	1f
	xorl	%eax, %eax
	cmpl	busy_ms, %edx
	jae	2f
	movl	%ebx, %eax
	jmp	2f
1:	movl	%edx, %eax
	mull	%ebx
	shldl	$1, %eax, %edx
	shll	$1, %eax
	divl	wave_ms
2:	popl	%edx
3:	ret

visit_dirty:
	movl	dirty_next, %ebx
	call	dirty_place
	call	check_stamp
	movl	sweeps, %eax
	incl	%eax
	call	dirty_place_of_sweep
	call	write_stamp
	incl	%ebx
	cmpl	dirty_pages, %ebx
	jb	1f
	xorl	%ebx, %ebx
	incl	sweeps
1:	movl	%ebx, dirty_next
	ret

visit_static:
	movl	static_next, %ebx
	cmpl	$0, static_pages
	je	2f
	call	static_place
	call	check_stamp
	incl	%ebx
	cmpl	static_pages, %ebx
	jb	1f
	xorl	%ebx, %ebx
1:	movl	%ebx, static_next
2:	ret

fill_areas:
	xorl	%ebx, %ebx
1:	cmpl	dirty_pages, %ebx
	jae	2f
	call	dirty_place
	call	write_stamp
	incl	%ebx
	jmp	1b
2:	xorl	%ebx, %ebx
3:	cmpl	static_pages, %ebx
	jae	4f
	call	static_place
	call	write_stamp
	incl	%ebx
	jmp	3b
4:	xorl	%ebx, %ebx
5:	cmpl	spare_pages, %ebx
	jae	6f
	call	spare_place
	call	write_stamp
	incl	%ebx
	jmp	5b
6:	ret

	/* EBX = index of a page; returns EDI = its address, EAX = its stamp. */
dirty_place:
	movl	sweeps, %eax
dirty_place_of_sweep:
	shll	$STAMP_SWEEP_SHIFT, %eax
	orl	%ebx, %eax
	movl	%ebx, %edi
	addl	spare_pages, %edi
	jmp	1f
static_place:
	movl	%ebx, %edi
	addl	dirty_pages, %edi
	addl	spare_pages, %edi
	movl	%ebx, %eax
	xorl	$STAMP_STATIC, %eax
	jmp	1f
spare_place:
	movl	%ebx, %edi
	movl	%ebx, %eax
	xorl	$STAMP_SPARE, %eax
1:	shll	$12, %edi
	addl	$AREA_ADDR, %edi
	ret

	/* EDI = page, EAX = stamp; ECX and EDI are lost. */
check_stamp:
	movl	$STAMP_WORDS, %ecx
1:	cmpl	%eax, (%edi)
	je	2f
	incl	errors
2:	roll	$8, %eax
	addl	$STAMP_STRIDE, %edi
	loop	1b
	ret
write_stamp:
	movl	$STAMP_WORDS, %ecx
1:	movl	%eax, (%edi)
	roll	$8, %eax
	addl	$STAMP_STRIDE, %edi
	loop	1b
	ret

start_serial:				/* 115200 baud, 8n1, no interrupts */
	movl	$serial_setup, %esi
	movl	$SERIAL_SETUP_COUNT, %ecx
1:	xorl	%edx, %edx
	lodsb
	movb	%al, %dl
	lodsb
	addl	$COM1, %edx
	outb	%al, %dx
	loop	1b
	ret

	/* The frame stays in the NIC's memory.  Without a NIC the ports read as ones. */
start_nic:
	movl	$NIC, %edx
	inb	%dx, %al
	cmpb	$0xff, %al
	je	2f
	movb	$NIC_SENDS, nic_command
	movl	$nic_setup, %esi
	movl	$NIC_SETUP_COUNT, %ecx
1:	movl	$NIC, %edx
	lodsb
	addb	%al, %dl
	lodsb
	outb	%al, %dx
	loop	1b
	movl	$NIC_DATA, %edx
	movl	$frame, %esi
	movl	$FRAME_BYTES, %ecx
	rep outsb
2:	ret

start_clock:
	movl	$timer_interrupt, %eax
	movl	$(IDT_ADDR + TIMER_VECTOR * 8), %edi
	movw	%ax, (%edi)
	movw	$SELECTOR_CODE, 2(%edi)
	movw	$0x8e00, 4(%edi)	/* present, 32-bit interrupt gate */
	shrl	$16, %eax
	movw	%ax, 6(%edi)
	lidt	idt_pointer
	/* Master PIC: vectors from TIMER_VECTOR, only line 0 open. */
	movb	$0x11, %al
	outb	%al, $0x20
	movb	$TIMER_VECTOR, %al
	outb	%al, $0x21
	movb	$0x04, %al
	outb	%al, $0x21
	movb	$0x01, %al
	outb	%al, $0x21
	movb	$0xfe, %al
	outb	%al, $0x21
	movb	$0xff, %al
	outb	%al, $0xa1
	/* PIT channel 0, mode 2 (rate generator). */
	movb	$0x34, %al
	outb	%al, $0x43
	movl	$PIT_DIVISOR, %eax
	imull	tick_ms, %eax
	outb	%al, $0x40
	movb	%ah, %al
	outb	%al, $0x40
	movl	period_ms, %eax
	movl	%eax, until_report
	ret

timer_interrupt:
	pushal
	movb	$0x20, %al
	outb	%al, $0x20
	movl	tick_ms, %eax
	addl	%eax, ticks
	subl	%eax, until_report
	jg	1f
	movl	period_ms, %eax
	movl	%eax, until_report
	movl	ticks, %eax
	shll	$CELL_COLOUR_SHIFT, %eax
	andl	$CELL_COLOUR, %eax
	orl	$CELLS_ALWAYS, %eax
	movl	%eax, SCREEN
	movb	nic_command, %al
	testb	%al, %al
	jz	2f
	movl	$NIC, %edx
	outb	%al, %dx
2:	call	report
1:	popal
	iret

	/* A console that nobody reads costs no more than this look; one that
	 * stalls within a line is waited for, and gets the rest later, so that lines
	 * come whole. */
report:
	movl	$COM1_STATUS, %edx
	inb	%dx, %al
	testb	$COM1_IS_FREE, %al
	jz	4f
	cmpl	$0, line_left
	jne	5f
	movl	$(line + 1), %edi
	movl	ticks, %ebx
	call	put_hex
	movl	sweeps, %ebx
	call	put_hex
	movl	errors, %ebx
	call	put_hex
	.ifdef DISKS
	call	put_disks
	.endif
	movl	$line, line_at
	movl	$LINE_LENGTH, line_left
5:	movl	line_at, %esi
	movl	line_left, %ecx
1:	movl	$STALL_POLLS, %ebx
	movl	$COM1_STATUS, %edx
2:	inb	%dx, %al
	testb	$COM1_IS_FREE, %al
	jnz	3f
	decl	%ebx
	jnz	2b
	movl	%esi, line_at
	movl	%ecx, line_left
	ret
3:	movl	$COM1, %edx
	outsb
	loop	1b
	movl	%ecx, line_left
4:	ret

	/* EBX as eight digits at EDI, which then stands at the next number. */
put_hex:
	movl	$8, %ecx
1:	roll	$4, %ebx
	movl	%ebx, %eax
	andl	$15, %eax
	movb	hex_digits(%eax), %al
	stosb
	loop	1b
	addl	$2, %edi
	ret

	.ifdef DISKS
	.include "disk.S"
	.org	DATA_ADDR - LOAD_ADDR
	.endif
hex_digits:	.ascii	"0123456789abcdef"
line:		.ascii	"T00000000 S00000000 E00000000"
	.ifdef DISKS
		.ascii	" D00000000 W00000000 F00000000"
	.endif
		.ascii	"\n"
	.set	LINE_LENGTH, . - line
serial_setup:				/* register, value */
	.byte	3, 0x80, 0, 1, 1, 0, 3, 3
	.set	SERIAL_SETUP_COUNT, (. - serial_setup) / 2

nic_setup:				/* register, value */
	.byte	0, 0x21, 14, 0, 12, 0x20, 13, 0, 0, 0x22
	.byte	4, NIC_BUFFER, 5, FRAME_BYTES, 6, 0
	.byte	8, 0, 9, NIC_BUFFER, 10, FRAME_BYTES, 11, 0, 0, 0x12
	.set	NIC_SETUP_COUNT, (. - nic_setup) / 2
nic_command:	.byte	0
frame:					/* for local experiments, IEEE 802 */
	.byte	0xff, 0xff, 0xff, 0xff, 0xff, 0xff
	.byte	0x52, 0x54, 0x00, 0xaa, 0x00, 0x0a
	.byte	0x88, 0xb5
	.fill	46
	.set	FRAME_BYTES, . - frame

	.balign 4
ticks:		.long	0
seen_ticks:	.long	0
credit_q16:	.long	0
sweeps:		.long	0
errors:		.long	0
dirty_next:	.long	0
static_next:	.long	0
until_report:	.long	0
line_at:	.long	0		/* what is still to be written of a line that stalled */
line_left:	.long	0
	.ifdef DISKS
	disk_data
	.endif
	.org	512 * (1 + REST_SECTORS)
