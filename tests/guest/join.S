/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* join.S -- a program for a Linux guest: joins the multicast group 239.1.2.3 (its
 * frames go to 01:00:5e:01:02:03) on the interface whose index, one digit, it is
 * given, and stays in it until it is killed.  The guest's busybox has none.
 */
	.set SYS_PAUSE, 34
	.set SYS_SOCKET, 41
	.set SYS_SETSOCKOPT, 54
	.set SYS_EXIT, 60
	.set AF_INET, 2
	.set SOCK_DGRAM, 2
	.set IP_ADD_MEMBERSHIP, 35
	.set MREQN_SIZE, 12

	.data
mreqn:
	.byte	239, 1, 2, 3		/* the group */
	.long	0			/* a local address: any */
index:
	.long	0

	.text
	.globl _start
_start:
	movq	16(%rsp), %rax		/* argv[1] */
	movzbl	(%rax), %eax
	subl	$'0', %eax
	movl	%eax, index
	movl	$SYS_SOCKET, %eax
	movl	$AF_INET, %edi
	movl	$SOCK_DGRAM, %esi
	xorl	%edx, %edx
	syscall
	movl	%eax, %edi
	movl	$SYS_SETSOCKOPT, %eax
	xorl	%esi, %esi		/* IPPROTO_IP */
	movl	$IP_ADD_MEMBERSHIP, %edx
	movq	$mreqn, %r10
	movl	$MREQN_SIZE, %r8d
	syscall
	testl	%eax, %eax
	jnz	failed
stay:
	movl	$SYS_PAUSE, %eax
	syscall
	jmp	stay
failed:
	movl	$1, %edi
	movl	$SYS_EXIT, %eax
	syscall
